"""GitHub's REST API, version 2022-11-28, of github.com or of a server of one's own.

https://docs.github.com/en/rest/pulls/pulls
"""

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from registry.core.canonical import Json


class GitHub:
    """One repository, `owner/name`; requests go to the branch `base` of the same one."""

    def __init__(self, settings: Forge, base: str) -> None:
        headers = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
        }
        self._wire = wire.Wire(settings, scheme="Bearer", headers=headers)
        self._path = f"/repos/{settings.project}"
        self._owner = settings.project.partition("/")[0]
        self._base = base

    def find(self, branch: str) -> Opened | None:
        """The filter by head wants the owner too; without one it is ignored."""
        head = f"{self._owner}:{branch}"
        found = self._wire.get(f"{self._path}/pulls", state="open", head=head, base=self._base)
        return next((_opened(one) for one in wire.items(found)), None)

    def open(self, branch: str, title: str, body: str) -> Opened:
        """POST /repos/{owner}/{repo}/pulls."""
        path = f"{self._path}/pulls"
        wish: dict[str, Json] = {"title": title, "head": branch, "base": self._base, "body": body}
        return _opened(self._wire.send("POST", path, **wish))

    def close(self, number: int, comment: str) -> bool:
        """A comment on a pull request is one on the issue of the same number."""
        path = f"{self._path}/pulls/{number}"
        if wire.text(self._wire.get(path), "state") != "open":
            return False
        self._wire.send("POST", f"{self._path}/issues/{number}/comments", body=comment)
        self._wire.send("PATCH", path, state="closed")
        return True


def _opened(item: Json) -> Opened:
    return Opened(wire.number(item, "number"), wire.text(item, "html_url"))
