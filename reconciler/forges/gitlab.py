"""GitLab's REST API v4; its pull requests are merge requests, and its comments notes.

https://docs.gitlab.com/api/merge_requests/, .../notes/ and .../commits/ (commit status).
"""

from urllib.parse import quote

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Asked, Comment, Opened, State, Status
from reconciler.forges.pulls import author, commit, says
from registry import errors
from registry.core.canonical import Json

_AT_ONCE = 100
_TEXT_LIMIT = 255
_STATES = {
    State.PENDING: "pending",
    State.SUCCESS: "success",
    State.FAILURE: "failed",
    State.ERROR: "failed",
}
# A status that is pending cannot become pending: it is what it shall be.
_IS_ALREADY = "Cannot transition status"


class GitLab:
    """One project, by its path with all groups; requests go to the branch `base` of it."""

    comment_limit = 990_000

    def __init__(self, settings: Forge, base: str) -> None:
        self._wire = wire.Wire(settings, scheme="Bearer")
        self._project = f"/projects/{quote(settings.project, safe='')}"
        self._path = f"{self._project}/merge_requests"
        self._base = base
        self._me = ""

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
        state = wire.text(self._wire.get(path), "state")
        is_said = says(self.comments(number), comment)
        if state != "opened":
            return is_said and state != "merged"
        if not is_said:
            self.comment(number, comment)
        self._wire.send("PUT", path, state_event="close")
        return True

    def asked(self) -> list[Asked]:
        """GET /projects/:id/merge_requests; one without a commit yet has no `sha`."""
        listed = self._wire.pages(
            self._path, per_page=_AT_ONCE, state="opened", target_branch=self._base
        )
        found = []
        for item in listed:
            if isinstance(item, dict) and item.get("sha") is not None:
                number = wire.number(item, "iid")
                found.append(Asked(number, commit(item), f"refs/merge-requests/{number}/head"))
        return found

    def comments(self, number: int) -> list[Comment]:
        """GET /projects/:id/merge_requests/:iid/notes."""
        if not self._me:
            self._me = wire.text(self._wire.get("/user"), "username")
        path = f"{self._path}/{number}/notes"
        listed = self._wire.pages(path, per_page=_AT_ONCE, order_by="created_at", sort="asc")
        return [
            Comment(wire.number(item, "id"), wire.text(item, "body"))
            for item in listed
            if author(item, "username", of="author") == self._me
        ]

    def comment(self, number: int, body: str) -> None:
        """POST /projects/:id/merge_requests/:iid/notes."""
        self._wire.send("POST", f"{self._path}/{number}/notes", body=body)

    def edit(self, number: int, comment: int, body: str, /) -> None:
        """PUT /projects/:id/merge_requests/:iid/notes/:id."""
        self._wire.send("PUT", f"{self._path}/{number}/notes/{comment}", body=body)

    def mark(self, commit: str, status: Status) -> None:
        """POST /projects/:id/statuses/:sha."""
        try:
            self._wire.send(
                "POST",
                f"{self._project}/statuses/{commit}",
                state=_STATES[status.state],
                name=status.context,
                description=status.text[:_TEXT_LIMIT],
                **({"target_url": status.link} if status.link else {}),
            )
        except errors.Unavailable as error:
            if _IS_ALREADY not in error.detail:
                raise


def _opened(item: Json) -> Opened:
    return Opened(wire.number(item, "iid"), wire.text(item, "web_url"))
