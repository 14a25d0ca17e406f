"""Temporary files and folders that a killed process left in the registry's own folder.

Each is made beside what it was to become, under a name that only a temporary one has.
"""

import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

# durable.write_private and key files: .NAME.8 hexadecimal digits; usecases.inspection: inspect-*;
# usecases.settling: sig-*; usecases.readiness: .ready-*.
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}|(inspect|sig)-.+|\.ready-\d+")
_WHERE = ("*", ".*", "keys/.*", "blobs/.*", "blobs/sha256/??/.*")


def stale(folder: Path, *, older_than: timedelta) -> Sequence[tuple[Path, int]]:
    """Those untouched for so long, and the bytes they hold."""
    deadline = time.time() - older_than.total_seconds()
    found = {
        path
        for pattern in _WHERE
        for path in folder.glob(pattern)
        if _TEMPORARY.fullmatch(path.name) and _touched(path) < deadline
    }
    return [(path, _size(path)) for path in sorted(found)]


def remove(path: Path) -> None:
    """Nothing happens where it is gone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _touched(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return time.time()


def _size(path: Path) -> int:
    total = 0
    with suppress(FileNotFoundError):
        for one in (path, *path.rglob("*")) if path.is_dir() else (path,):
            total += one.lstat().st_size if not one.is_dir() else 0
    return total
