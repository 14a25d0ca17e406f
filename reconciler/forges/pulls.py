"""What GitHub's API and Gitea's, which is made after it, have in common."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from reconciler.config import Forge
from reconciler.forges import wire
from reconciler.forges.protocol import Asked, Comment, Opened, Status
from registry import errors
from registry.core.canonical import Json

_TEXT_LIMIT = 140
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Pulls(ABC):
    """Pull requests of one repository, `owner/name`, to its branch `base`."""

    comment_limit = 65_000

    def __init__(self, link: wire.Wire, settings: Forge, base: str) -> None:
        self._wire = link
        self._path = f"/repos/{settings.project}"
        self._base = base
        self._me = ""

    def open(self, branch: str, title: str, body: str) -> Opened:
        """POST /repos/{owner}/{repo}/pulls."""
        path = f"{self._path}/pulls"
        wish: dict[str, Json] = {"title": title, "head": branch, "base": self._base, "body": body}
        return opened(self._wire.send("POST", path, **wish))

    def close(self, number: int, comment: str) -> bool:
        """A comment on a pull request is one on the issue of the same number."""
        path = f"{self._path}/pulls/{number}"
        found = self._wire.get(path)
        is_said = says(self.comments(number), comment)
        if wire.text(found, "state") != "open":
            return is_said and not (isinstance(found, dict) and found.get("merged") is True)
        if not is_said:
            self.comment(number, comment)
        self._wire.send("PATCH", path, state="closed")
        return True

    def asked(self) -> list[Asked]:
        """GET /repos/{owner}/{repo}/pulls; the server keeps a ref of each head, a fork's too."""
        found = []
        for item in self._open():
            head, base = (item.get(end) if isinstance(item, dict) else None for end in _ENDS)
            if wire.text(base, "ref") == self._base:
                number = wire.number(item, "number")
                found.append(Asked(number, commit(head), f"refs/pull/{number}/head"))
        return found

    def comments(self, number: int) -> list[Comment]:
        """GET /repos/{owner}/{repo}/issues/{number}/comments."""
        mine = self._own()
        listed = self._comments(f"{self._path}/issues/{number}/comments")
        return [
            Comment(wire.number(item, "id"), wire.text(item, "body"))
            for item in listed
            if self._is_own(item, mine)
        ]

    def comment(self, number: int, body: str) -> None:
        """POST /repos/{owner}/{repo}/issues/{number}/comments."""
        self._wire.send("POST", f"{self._path}/issues/{number}/comments", body=body)

    def edit(self, _number: int, comment: int, body: str, /) -> None:
        """PATCH /repos/{owner}/{repo}/issues/comments/{id}."""
        self._wire.send("PATCH", f"{self._path}/issues/comments/{comment}", body=body)

    def mark(self, commit: str, status: Status) -> None:
        """POST /repos/{owner}/{repo}/statuses/{sha}."""
        self._wire.send(
            "POST",
            f"{self._path}/statuses/{commit}",
            state=status.state.value,
            context=status.context,
            description=status.text[:_TEXT_LIMIT],
            **({"target_url": status.link} if status.link else {}),
        )

    @abstractmethod
    def _open(self) -> Iterator[Json]:
        """The open requests, page by page."""

    @abstractmethod
    def _comments(self, path: str) -> Iterator[Json]:
        """The comments at `path`, page by page."""

    def _own(self) -> str:
        """GET /user: by whose name the token speaks."""
        if not self._me:
            self._me = wire.text(self._wire.get("/user"), "login")
        return self._me

    def _is_own(self, item: Json, mine: str) -> bool:
        return author(item, "login") == mine


_ENDS = ("head", "base")


def says(comments: Iterable[Comment], body: str) -> bool:
    """Whether one of our comments says so already: its answer was lost, or who wrote it died."""
    return any(one.body.rstrip() == body.rstrip() for one in comments)


def author(item: Json, name: str, *, of: str = "user") -> str:
    """Who wrote a comment, by the field `name`."""
    user = item.get(of) if isinstance(item, dict) else None
    found = user.get(name) if isinstance(user, dict) else None
    return found if isinstance(found, str) else ""


def commit(item: Json, name: str = "sha") -> str:
    """A whole commit id: it becomes part of a path, and of a command's argument."""
    found = wire.text(item, name)
    if not _COMMIT.fullmatch(found):
        raise errors.Unavailable(f"the forge names {found[:60]!r} as a commit")
    return found


def opened(item: Json) -> Opened:
    """The number and the page of a pull request."""
    return Opened(wire.number(item, "number"), wire.text(item, "html_url"))
