"""What every forge can do."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Opened:
    """A pull request, by its number in the repository, and where people see it."""

    number: int
    url: str


class Forge(Protocol):
    """One repository on one forge; every method raises `errors.Unavailable`."""

    def find(self, branch: str) -> Opened | None:
        """The open request from `branch`, if there is one."""

    def open(self, branch: str, title: str, body: str) -> Opened:
        """Open one; `body` is Markdown."""

    def close(self, number: int, comment: str) -> bool:
        """Say why and close it; False, and nothing is said, where it is not open any more."""
