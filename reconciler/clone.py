"""The folder of a bare clone of ours, which a Git that died in it does not spoil.

A Git that is killed, or loses its power, leaves its lock files where they are, and every later Git
stops at them.
"""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import git
import structlog

# Git holds a lock for moments; one that stood still for so long has nobody left.
STILL_S = 2.0
_PAUSE_S = 0.05
_LOCKED = re.compile(
    r"Unable to create '(?P<lock>[^'\n]+\.lock)': File exists"
    r"|could not lock config file (?P<locked>[^\n]+): File exists"
)
# How folders begin in which a commit is made; one that is left there is of a process that died.
SCRATCH = "scratch-"
# Tidying goes by a lock of its own, which may be held for long, and gives up on it in silence.
_TIDYING = Path("objects", "maintenance.lock")
_DAY_S = 86_400.0
_BROKEN = ("not a git repository", "bad object", "corrupt", "did not send all necessary")
_MOST_LOCKS = 8
T = TypeVar("T")

log = structlog.get_logger()


def make(folder: Path, runner: git.Git) -> None:
    """Have a clone at `folder`, in which `runner` runs; nothing is in it unless it was there."""
    if (folder / "HEAD").exists():
        _tidy(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    past_locks(folder, lambda: runner.init("--bare", "--quiet", str(folder)))


def is_broken(stderr: str) -> bool:
    """Whether Git says so that what it was asked about lies in a clone that is no good."""
    return any(sign in stderr for sign in _BROKEN)


def past_locks(folder: Path, work: Callable[[], T]) -> T:
    """What `work` returns, which runs Git in `folder`: tried again once a dead Git's lock is gone.

    It must bear to be run twice.
    """
    for _ in range(_MOST_LOCKS):
        try:
            return work()
        except git.GitCommandError as error:
            if not _released(folder, str(error.stderr)):
                raise
    return work()


def _tidy(folder: Path) -> None:
    """Let Git tidy up again if it was killed while it did, and remove what we left ourselves."""
    lock = folder / _TIDYING
    if _is_old(lock):
        _remove(lock)
    for scratch in filter(_is_old, folder.glob(f"{SCRATCH}*")):
        shutil.rmtree(scratch, ignore_errors=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _DAY_S
    except FileNotFoundError:
        return False


def _released(folder: Path, stderr: str) -> bool:
    """Whether the lock that Git stopped at is gone; False if it was no lock of `folder`."""
    found = _LOCKED.search(stderr)
    if found is None:
        return False
    lock = Path(found["lock"] or f"{found['locked']}.lock").resolve()
    if not lock.is_relative_to(folder.resolve()):
        return False
    before, end = _mark(lock), time.monotonic() + STILL_S
    while time.monotonic() < end:
        time.sleep(_PAUSE_S)
        if _mark(lock) != before:
            return True
    _remove(lock)
    return True


def _mark(lock: Path) -> tuple[int, int, int] | None:
    """What tells one holding of a lock from the next; None while nobody holds it."""
    try:
        found = lock.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _remove(lock: Path) -> None:
    lock.unlink(missing_ok=True)
    log.warning("removed the lock of a Git that was killed", path=str(lock))
