"""Locks whose files are removed once nobody needs them, and that are still locks then."""

import fcntl
import threading
from pathlib import Path

import pytest

from runtime.locks import Locks

_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB


def test_who_waits_for_a_lock_whose_file_is_removed_gets_the_next_one(tmp_path: Path) -> None:
    locks, gotten = Locks(tmp_path), threading.Event()
    held = locks.take("a.pull", fcntl.LOCK_EX)

    def wait() -> None:
        with locks.take("a.pull", fcntl.LOCK_EX):
            gotten.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while "->" not in Path("/proc/locks").read_text():  # what somebody waits for
        assert not gotten.is_set()
    (tmp_path / "a.pull").unlink()
    with locks.take("a.pull", fcntl.LOCK_EX):
        held.close()
        with pytest.raises(BlockingIOError):
            locks.take("a.pull", _AT_ONCE)
        assert not gotten.is_set()
    waiting.join()
    assert gotten.is_set()


def test_only_files_that_nobody_needs_and_nobody_holds_are_removed(tmp_path: Path) -> None:
    locks = Locks(tmp_path)
    for name in ("needed.use", "left.use"):
        locks.take(name, fcntl.LOCK_SH).close()
    with locks.take("held.use", fcntl.LOCK_SH):
        locks.forget(lambda name: name == "needed.use")
        assert {path.name for path in tmp_path.iterdir()} == {"needed.use", "held.use"}
