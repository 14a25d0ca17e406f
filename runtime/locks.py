"""Locks between the runtimes of a host: flock on a file each, let go of by the end of its holder.

A file that nobody needs is removed. So whoever gets a lock looks whether it is still the one of
that name: the one before may have been removed while it was waited for.
"""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Locks:
    """One folder, a file for each name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, how: int) -> BinaryIO:
        """Held until what is returned is closed. `how` is one of flock's, and with LOCK_NB
        somebody else's lock is a BlockingIOError."""
        path = self._folder / name
        while True:
            lock = os.fdopen(os.open(path, _APPENDING, 0o600), "ab")
            try:
                fcntl.flock(lock, how)
                if _is_at(lock, path):
                    return lock
            except BaseException:
                lock.close()
                raise
            lock.close()

    def forget(self, is_needed: Callable[[str], bool]) -> None:
        """Remove the files of names that are not needed; those that somebody holds stay."""
        for path in self._folder.iterdir():
            if not is_needed(path.name):
                with suppress(BlockingIOError), self.take(path.name, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    path.unlink()


def _is_at(lock: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
