"""What a process and its children hold, and how much is left: Linux's own /proc, and its disks."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from reconciler.core.observed import InstanceSpec
from reconciler.core.usage import Resources, Usage

_PAGE = os.sysconf("SC_PAGESIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


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


def total(*, root: Path = Path("/proc")) -> int:
    """Bytes that this machine has."""
    lines = (root / "meminfo").read_text().splitlines()
    has = next(line for line in lines if line.startswith("MemTotal:"))
    return int(has.split()[1]) << 10


def taken(pid: int, *, root: Path = Path("/proc")) -> float:
    """Seconds of processor time of `pid` and all below it that still runs, since they began; with
    those of children that ended and were waited for (proc(5): utime to cstime)."""
    own = 0.0
    try:
        counted = (root / str(pid) / "stat").read_text().rpartition(")")[2].split()
        own = sum(map(int, counted[11:15])) / _TICKS
    except (OSError, IndexError, ValueError):
        pass
    return own + sum(taken(child, root=root) for child in _children(root, pid))


def resources(specs: Mapping[str, InstanceSpec], pid: int | None) -> Resources:
    """Of this machine, and of the process `pid` that serves all of `specs`, if it runs."""
    asked = {
        name: Usage(memory_limit=spec.memory_bytes, cpu_limit=spec.cpus)
        for name, spec in specs.items()
    }
    return Resources(
        memory_bytes=total(),
        cpus=float(os.cpu_count() or 0) or None,
        used=asked,
        together=None if pid is None else Usage(resident(pid), taken(pid)),
        unknown="the versions share one process, and only that is counted" if asked else "",
    )


def disk_reasons(folder: Path, address: str) -> list[str]:
    """Docker tells nobody how full its disk is; only on this machine can we look ourselves."""
    if not address.startswith("unix://") or not folder.exists():
        return []
    free = shutil.disk_usage(folder).free
    return [f"{folder} has {free >> 20} MiB left"] if free < (1 << 30) else []


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
