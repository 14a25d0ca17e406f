"""GitHub's REST API, version 2022-11-28, of github.com or of a server of one's own.

https://docs.github.com/en/rest: pulls, issue comments, commit statuses.
"""

from collections.abc import Iterator

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from reconciler.forges.pulls import Pulls, author, opened
from registry import errors
from registry.core.canonical import Json

_AT_ONCE = 100


class GitHub(Pulls):
    """One repository, `owner/name`; requests go to the branch `base` of the same one."""

    def __init__(self, settings: Forge, base: str) -> None:
        headers = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        super().__init__(wire.Wire(settings, scheme="Bearer", headers=headers), settings, base)
        self._owner = settings.project.partition("/")[0]

    def find(self, branch: str) -> Opened | None:
        """The filter by head wants the owner too; without one it is ignored."""
        head = f"{self._owner}:{branch}"
        found = self._wire.get(f"{self._path}/pulls", state="open", head=head, base=self._base)
        return next((opened(one) for one in wire.items(found)), None)

    def _open(self) -> Iterator[Json]:
        path = f"{self._path}/pulls"
        return self._wire.pages(path, per_page=_AT_ONCE, state="open", base=self._base)

    def _comments(self, path: str) -> Iterator[Json]:
        return self._wire.pages(path, per_page=_AT_ONCE)

    def _own(self) -> str:
        """An App's token may not ask who it is: then it is one of the bots."""
        try:
            return super()._own()
        except errors.Unavailable:
            return ""

    def _is_own(self, item: Json, mine: str) -> bool:
        return super()._is_own(item, mine) if mine else author(item, "type") == "Bot"
