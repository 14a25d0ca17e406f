"""Names of classes, where a version brings them: one a line, the first for class 0."""

import functools
from pathlib import Path

from runtime.table import Slot

_PLACES = ("labels.txt", "assets/labels.txt", "assets.extra/labels.txt")
_LARGEST = 1024 * 1024


def of(slot: Slot) -> tuple[str, ...]:
    """The labels of a version; none where it has no such file, or one that is no text."""
    return () if slot.copy is None else _read(slot.copy.files)


@functools.lru_cache(maxsize=64)
def _read(files: Path) -> tuple[str, ...]:
    """Kept by the folder, which is named by the version's digest."""
    for place in _PLACES:
        found = files / place
        if found.is_file() and found.stat().st_size <= _LARGEST:
            try:
                return tuple(found.read_text().splitlines())
            except UnicodeDecodeError:
                return ()
    return ()
