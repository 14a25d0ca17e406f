"""What processes hold in memory, as the kernel counts it (proc(5))."""

import re
from collections.abc import Iterable
from pathlib import Path

MIB = 1024 * 1024


def tree(process: int) -> list[int]:
    """`process` and all that descend from it, as they are now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            children.setdefault(parent, []).append(int(entry.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found


def resident(processes: Iterable[int]) -> int:
    """Bytes in memory now; pages that several of them share count for each."""
    return sum(_status(process, "VmRSS") for process in processes)


def proportional(processes: Iterable[int]) -> int:
    """Bytes in memory now; of a shared page each has its share."""
    return sum(_found(process, "smaps_rollup", "Pss") for process in processes)


def peak(processes: Iterable[int]) -> int:
    """The most bytes in memory since the start, or since `forget_peak`, added up."""
    return sum(_status(process, "VmHWM") for process in processes)


def forget_peak(processes: Iterable[int]) -> None:
    """Let the peaks start over from what is in memory now."""
    for process in processes:
        Path(f"/proc/{process}/clear_refs").write_text("5")


def _parent(entry: Path) -> int | None:
    try:
        status = (entry / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None  # ended meanwhile
    # The name before it is in parentheses and may hold anything, these too.
    return int(status.rpartition(")")[2].split()[1])


def _status(process: int, field: str) -> int:
    return _found(process, "status", field)


def _found(process: int, file: str, field: str) -> int:
    """Zero for a process that has ended meanwhile."""
    try:
        text = Path(f"/proc/{process}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
