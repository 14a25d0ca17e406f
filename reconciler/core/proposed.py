"""A file as a commit has it, and a commit that is to be made: values, without Git."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blob:
    """One file at one commit; `regular` is False for a link or a submodule."""

    path: str
    id: str
    regular: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A commit to push to `branch`: on top of `parent` (none, if empty), `path` gets `content`.

    `at` (seconds since the epoch) dates it, so that a push repeated after a crash is the very
    same commit.
    """

    branch: str
    parent: str
    path: str
    content: bytes
    message: str
    at: float
