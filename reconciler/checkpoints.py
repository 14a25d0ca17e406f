"""The log's checkpoint in the repository of desired state: one file on a branch of its own.

Everybody who can read the repository then has a copy of the log's word, and reconcilers find
out there whether they were shown one log. The branch only grows, and nothing is forced onto it.
"""

from collections.abc import Callable
from urllib.parse import quote

from reconciler import repo
from registry import errors
from registry.core import note

_LIMIT = 64 * 1024
_ATTEMPTS = 4


class Checkpoints:
    """The file for one log; `key` says which log."""

    def __init__(
        self,
        repository: repo.Repository,
        *,
        branch: str,
        key: Callable[[], note.LogKey],
        clock: Callable[[], float],
    ) -> None:
        self._repository = repository
        self._branch = branch
        self._key = key
        self._clock = clock

    def read(self) -> note.Checkpoint | None:
        """The checkpoint in Git; None before there is one.

        Raises `GitUnavailable`, and `InvalidInput` or `SignatureInvalid` for what is none.
        """
        return self._at(self._repository.tip(self._branch))

    def exchange(
        self, observe: Callable[[note.Checkpoint], None], last: Callable[[], note.Checkpoint | None]
    ) -> bool:
        """Look at what Git has, and put there what is newer; whether anything was put.

        What `observe` raises, for a log that is not the one seen here, comes out of this.
        """
        for _ in range(_ATTEMPTS):
            tip = self._repository.tip(self._branch)
            kept = self._at(tip)
            if kept is not None:
                observe(kept)
            newest = last()
            if newest is None or (kept is not None and newest.size <= kept.size):
                return False
            try:
                self._repository.extend(self._proposal(newest, tip))
            except errors.Conflict:
                continue  # another reconciler was first: look at what it put there
            return True
        return False

    def _at(self, tip: str | None) -> note.Checkpoint | None:
        key = self._key()
        found = None
        if tip is not None:
            found = self._repository.read_at(tip, path_of(key.origin), limit=_LIMIT)
        if found is None:
            return None
        try:
            return note.verify_checkpoint(found.decode(), key)
        except (UnicodeDecodeError, errors.InvalidInput, errors.SignatureInvalid) as error:
            raise errors.SignatureInvalid(
                f"{path_of(key.origin)} on branch {self._branch} is no checkpoint of this log: "
                f"{error}",
                fix="see who wrote it, and revert that commit",
            ) from error

    def _proposal(self, newest: note.Checkpoint, tip: str | None) -> repo.Proposal:
        return repo.Proposal(
            branch=self._branch,
            parent=tip or "",
            path=path_of(newest.origin),
            content=newest.text.encode(),
            message=f"{newest.origin} has {newest.size} entries\n\nRoot: {newest.root.hex()}\n",
            at=self._clock(),
        )


def path_of(origin: str) -> str:
    """Where the checkpoint of a log lies: a name of the log that no file system trips over."""
    parts = [quote(part, safe="") for part in origin.split("/")]
    if any(part in {"", ".", ".."} or part.startswith(".git") for part in parts):
        return "checkpoints/" + quote(origin, safe="").replace(".", "%2E")
    return "checkpoints/" + "/".join(parts)
