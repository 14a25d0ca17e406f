"""The API v1 of Gitea, which Forgejo (and so Codeberg) speaks too.

https://docs.gitea.com/api: tag `repository` for pull requests, `issue` for comments.
"""

from collections.abc import Iterator

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from reconciler.forges.pulls import Pulls, opened
from registry import errors
from registry.core.canonical import Json

_AT_ONCE = 20
_PAGES = 50


class Gitea(Pulls):
    """One repository, `owner/name`; requests go to the branch `base` of the same one."""

    def __init__(self, settings: Forge, base: str) -> None:
        super().__init__(wire.Wire(settings, scheme="token"), settings, base)

    def find(self, branch: str) -> Opened | None:
        """No filter by branch is in all versions, so the open ones are gone through."""
        for item in self._listed():
            if _branch(item, "head") == branch and _branch(item, "base") == self._base:
                return opened(item)
        return None

    def _listed(self) -> Iterator[Json]:
        """The server may give fewer a page than are asked for: only an empty one is the last."""
        for page in range(1, _PAGES + 1):
            found = wire.items(
                self._wire.get(f"{self._path}/pulls", state="open", page=page, limit=_AT_ONCE)
            )
            if not found:
                return
            yield from found
        raise errors.Unavailable(f"there are more than {_PAGES} pages of open pull requests")


def _branch(item: Json, end: str) -> str:
    found = item.get(end) if isinstance(item, dict) else None
    return wire.text(found, "ref")
