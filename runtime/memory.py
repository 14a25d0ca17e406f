"""How much memory is left for one more model: by the cgroups' limits, the machine's, or our own."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

_SPARE_BYTES = 32 * 1024 * 1024
_UNLIMITED = 1 << 60  # cgroup v1 has no word for it and shows a huge number
_PAGE = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True, slots=True)
class Needed:
    """`known` says where the number is from."""

    size: int
    known: str


@dataclass(frozen=True, slots=True)
class _Room:
    """`more` is what to do for more of it."""

    size: int
    whose: str
    more: str


def shortage(needed: Needed, *, limit: int = 0, root: Path = Path("/")) -> str:
    """Why it does not fit; empty where it does, with a little to spare.

    `limit` is how much this process may take, 0 for what the system gives.
    """
    rooms = [_machine(root), *_groups(root), *_own(limit, root)]
    least = min(rooms, key=lambda room: room.size)
    if least.size >= needed.size + _SPARE_BYTES:
        return ""
    return (
        f"{max(least.size, 0) >> 20} MiB of memory are free {least.whose}, the version needs "
        f"{(needed.size + _SPARE_BYTES) >> 20} MiB {needed.known}: unload a version, or "
        f"{least.more}"
    )


def anonymous(root: Path = Path("/")) -> int:
    """Bytes that this process and its children hold and that no file gives back."""
    children = (
        child
        for listed in (root / "proc/self/task").glob("*/children")
        for child in _listed(listed)
    )
    return sum(_anonymous(root / "proc" / process) for process in ("self", *children))


def _listed(children: Path) -> list[str]:
    try:
        return children.read_text().split()
    except OSError:  # the thread ended meanwhile
        return []


def _anonymous(process: Path) -> int:
    try:
        resident, shared = (process / "statm").read_text().split()[1:3]
    except OSError:  # it ended meanwhile
        return 0
    return (int(resident) - int(shared)) * _PAGE


def _machine(root: Path) -> _Room:
    text = (root / "proc/meminfo").read_text()
    found = re.search(r"^MemAvailable:\s+([0-9]+)", text, re.MULTILINE)
    size = int(found[1]) << 10 if found else _UNLIMITED
    return _Room(size, "on this machine", "give the machine more")


def _groups(root: Path) -> list[_Room]:
    """Of each group around this process that has a limit: all of them hold.

    Inside a container its own group is often the root of what can be seen, whatever its path is
    called outside.
    """
    v2, v1 = root / "sys/fs/cgroup", root / "sys/fs/cgroup/memory"
    newer = _around(v2, _path(root, r"^0::(.*)$"))
    older = _around(v1, _path(root, r"^[0-9]+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$"))
    found = [_room(folder, "memory.max", "memory.current", "inactive_file") for folder in newer]
    found += [
        _room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        for folder in older
    ]
    return [room for room in found if room is not None]


def _path(root: Path, line: str) -> str:
    try:
        text = (root / "proc/self/cgroup").read_text()
    except OSError:
        return ""
    found = re.search(line, text, re.MULTILINE)
    return found[1].strip("/") if found else ""


def _around(mount: Path, path: str) -> list[Path]:
    parts = path.split("/") if path and ".." not in path else []
    return [mount.joinpath(*parts[:count]) for count in range(len(parts), -1, -1)]


def _room(folder: Path, most: str, used: str, cached: str) -> _Room | None:
    """Page cache that can be dropped does not count as taken: a pull has just filled it."""
    try:
        limit = (folder / most).read_text().strip()
        if limit == "max" or int(limit) >= _UNLIMITED:
            return None
        taken = int((folder / used).read_text())
        droppable = _stat(folder / "memory.stat", cached)
    except OSError:
        return None
    return _Room(
        int(limit) - taken + droppable,
        "within the container's limit",
        "raise it (spec.runtime.resources.memory)",
    )


def _stat(path: Path, wanted: str) -> int:
    for line in path.read_text().splitlines():
        name, _, number = line.partition(" ")
        if name == wanted:
            return int(number)
    return 0


def _own(limit: int, root: Path) -> list[_Room]:
    if not limit:
        return []
    pages = int((root / "proc/self/statm").read_text().split()[1])
    return [_Room(limit - pages * _PAGE, "of limits.memoryBytes", "raise that")]
