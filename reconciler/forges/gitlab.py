"""GitLab's REST API v4; its pull requests are merge requests.

https://docs.gitlab.com/api/merge_requests/
"""

from urllib.parse import quote

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Opened
from registry.core.canonical import Json


class GitLab:
    """One project, by its path with all groups; requests go to the branch `base` of it."""

    def __init__(self, settings: Forge, base: str) -> None:
        self._wire = wire.Wire(settings, scheme="Bearer")
        self._path = f"/projects/{quote(settings.project, safe='')}/merge_requests"
        self._base = base

    def find(self, branch: str) -> Opened | None:
        """GET /projects/:id/merge_requests."""
        found = self._wire.get(
            self._path, state="opened", source_branch=branch, target_branch=self._base
        )
        return next((_opened(one) for one in wire.items(found)), None)

    def open(self, branch: str, title: str, body: str) -> Opened:
        """POST /projects/:id/merge_requests; the branch goes once it is merged."""
        wish: dict[str, Json] = {
            "title": title,
            "source_branch": branch,
            "target_branch": self._base,
            "description": body,
            "remove_source_branch": True,
        }
        return _opened(self._wire.send("POST", self._path, **wish))

    def close(self, number: int, comment: str) -> bool:
        """A comment is a note here."""
        path = f"{self._path}/{number}"
        if wire.text(self._wire.get(path), "state") != "opened":
            return False
        self._wire.send("POST", f"{path}/notes", body=comment)
        self._wire.send("PUT", path, state_event="close")
        return True


def _opened(item: Json) -> Opened:
    return Opened(wire.number(item, "iid"), wire.text(item, "web_url"))
