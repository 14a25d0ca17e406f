"""How much memory a process and its children hold, and how much is left: Linux's own /proc."""

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")


def resident(pid: int, *, root: Path = Path("/proc")) -> int:
    """Resident bytes of `pid` and all below it; a page that several share counts for each.

    Who ends while we look counts for nothing.
    """
    return _own(root / str(pid)) + sum(resident(child, root=root) for child in _children(root, pid))


def free(*, root: Path = Path("/proc")) -> int:
    """Bytes that may still be asked for."""
    lines = (root / "meminfo").read_text().splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return int(available.split()[1]) << 10


def _own(process: Path) -> int:
    try:
        return int((process / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _children(root: Path, pid: int) -> list[int]:
    found = []
    for listed in (root / str(pid) / "task").glob("*/children"):
        try:
            found += [int(child) for child in listed.read_text().split()]
        except OSError:  # the thread ended meanwhile
            continue
    return found
