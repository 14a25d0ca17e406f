"""GitHub's REST API, version 2022-11-28, of github.com or of a server of one's own.

https://docs.github.com/en/rest/pulls/pulls
"""

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from reconciler.forges.pulls import Pulls, opened


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
