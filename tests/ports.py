"""Ports for what is told its port before it listens: each is one process's alone until that ends.

A port that the system gave as free is anybody's a moment later: the next server's that asks so, the
next connection's that goes out. These lie below the system's range (32768 and up on Linux), and a
lock on a byte of one file keeps other test processes off.
"""

import fcntl
import os
import socket
import tempfile
import threading
from functools import cache
from pathlib import Path

_PORTS = range(20_000, 32_000)
_ONE_AT_A_TIME = threading.Lock()
_had = set[int]()


def free_port(*, also: int = 0) -> int:
    """One that nobody else has, and nobody has the one that is `also` above it either."""
    with _ONE_AT_A_TIME:
        for port in _PORTS:
            wanted = {port, port + also}
            if not wanted & _had and all(map(_is_ours, wanted)):
                _had.update(wanted)
                return port
    raise AssertionError("this process has had all ports that there are for tests")


def _is_ours(port: int) -> bool:
    with socket.socket() as probe:
        try:
            # The system takes the lock back when this process ends, however it does.
            fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind(("", port))
        except OSError:
            return False
    return True


@cache
def _claims() -> int:
    """Open as long as this process: closing any descriptor of the file would end all its locks."""
    path = Path(tempfile.gettempdir(), "plimsoll-test-ports")
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
