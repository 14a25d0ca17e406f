"""What every forge can do."""

from dataclasses import dataclass
from typing import Protocol

from reconciler.core.review.marks import State, Status

__all__ = ["Asked", "Comment", "Forge", "Opened", "State", "Status"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A pull request, by its number in the repository, and where people see it."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An open pull request into the followed branch: the commit to be merged, and the Git ref in
    this repository that has it, also where it comes from a fork."""

    number: int
    head: str
    ref: str


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of our own."""

    id: int
    body: str


class Forge(Protocol):
    """One repository on one forge; every method raises `errors.Unavailable`."""

    comment_limit: int

    def find(self, branch: str) -> Opened | None:
        """The open request from `branch`, if there is one."""

    def open(self, branch: str, title: str, body: str) -> Opened:
        """Open one; `body` is Markdown."""

    def close(self, number: int, comment: str) -> bool:
        """Say why and close it; again, as where an answer was lost, is free and said once. False,
        and nothing is said, where somebody else has closed or merged it."""

    def asked(self) -> list[Asked]:
        """All open requests into the followed branch."""

    def comments(self, number: int) -> list[Comment]:
        """Our own comments on a request, oldest first; what others wrote is nobody's business."""

    def comment(self, number: int, body: str) -> None:
        """Add one."""

    def edit(self, number: int, comment: int, body: str, /) -> None:
        """Change one of ours."""

    def mark(self, commit: str, status: Status) -> None:
        """Set a commit's status; the same again changes nothing that people see."""
