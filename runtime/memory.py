"""How much memory is left for one more model: by the cgroup's limit, the machine's, or our own."""

import os
from pathlib import Path

_SPARE_BYTES = 32 * 1024 * 1024
_UNLIMITED = 1 << 60  # cgroup v1 has no word for it and shows a huge number


def shortage(needed: int, *, limit: int = 0, root: Path = Path("/")) -> str:
    """Why `needed` bytes do not fit; empty where they do, with a little to spare.

    `limit` is how much this process may take, 0 for what the system gives. A model takes at least
    its files' size; how much more only its engine knows, so this is no promise.
    """
    known = (_machine(root), _group(root), _own(limit, root))
    free = min(found for found in known if found is not None)
    if free >= needed + _SPARE_BYTES:
        return ""
    return (
        f"{max(free, 0) >> 20} MiB of memory are free, the version needs at least "
        f"{(needed + _SPARE_BYTES) >> 20} MiB: unload a version, or give the runtime more"
    )


def _machine(root: Path) -> int:
    for line in (root / "proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) << 10
    return _UNLIMITED


def _group(root: Path) -> int | None:
    """Page cache that can be dropped does not count as taken: a pull has just filled it."""
    for folder, most, used, cached in (
        ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
         "total_inactive_file"),
    ):  # fmt: skip
        try:
            limit = (root / folder / most).read_text().strip()
            if limit == "max" or int(limit) >= _UNLIMITED:
                return None
            taken = int((root / folder / used).read_text())
            droppable = _stat(root / folder / "memory.stat", cached)
        except OSError:
            continue
        return int(limit) - taken + droppable
    return None


def _stat(path: Path, wanted: str) -> int:
    for line in path.read_text().splitlines():
        name, _, number = line.partition(" ")
        if name == wanted:
            return int(number)
    return 0


def _own(limit: int, root: Path) -> int | None:
    if not limit:
        return None
    pages = int((root / "proc/self/statm").read_text().split()[1])
    return limit - pages * os.sysconf("SC_PAGESIZE")
