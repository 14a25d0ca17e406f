"""The API v1 of Gitea, which Forgejo (and so Codeberg) speaks too.

https://docs.gitea.com/api: tag `repository` for pull requests and statuses, `issue` for comments.
"""

from collections.abc import Iterator

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from reconciler.forges.pulls import Pulls, opened
from registry.core.canonical import Json

_AT_ONCE = 20


class Gitea(Pulls):
    """One repository, `owner/name`; requests go to the branch `base` of the same one."""

    def __init__(self, settings: Forge, base: str) -> None:
        super().__init__(wire.Wire(settings, scheme="token"), settings, base)

    def find(self, branch: str) -> Opened | None:
        """No filter by branch is in all versions, so the open ones are gone through."""
        for item in self._open():
            if _branch(item, "head") == branch and _branch(item, "base") == self._base:
                return opened(item)
        return None

    def _open(self) -> Iterator[Json]:
        return self._wire.pages(f"{self._path}/pulls", limit=_AT_ONCE, state="open")

    def _comments(self, path: str) -> Iterator[Json]:
        """All at once: the endpoint has no pages."""
        yield from wire.items(self._wire.get(path))


def _branch(item: Json, end: str) -> str:
    found = item.get(end) if isinstance(item, dict) else None
    return wire.text(found, "ref")
