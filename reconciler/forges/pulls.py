"""What GitHub's API and Gitea's, which is made after it, have in common."""

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from registry.core.canonical import Json


class Pulls:
    """Pull requests of one repository, `owner/name`, to its branch `base`."""

    def __init__(self, link: wire.Wire, settings: Forge, base: str) -> None:
        self._wire = link
        self._path = f"/repos/{settings.project}"
        self._base = base

    def open(self, branch: str, title: str, body: str) -> Opened:
        """POST /repos/{owner}/{repo}/pulls."""
        path = f"{self._path}/pulls"
        wish: dict[str, Json] = {"title": title, "head": branch, "base": self._base, "body": body}
        return opened(self._wire.send("POST", path, **wish))

    def close(self, number: int, comment: str) -> bool:
        """A comment on a pull request is one on the issue of the same number."""
        path = f"{self._path}/pulls/{number}"
        if wire.text(self._wire.get(path), "state") != "open":
            return False
        self._wire.send("POST", f"{self._path}/issues/{number}/comments", body=comment)
        self._wire.send("PATCH", path, state="closed")
        return True


def opened(item: Json) -> Opened:
    """The number and the page of a pull request."""
    return Opened(wire.number(item, "number"), wire.text(item, "html_url"))
