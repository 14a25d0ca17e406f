"""Models on disk, and one inspector for all tests that only want a verdict."""

import atexit
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from registry import errors
from registry.formats import inspection

LIMITS = inspection.Limits()
Files = dict[str, bytes]


@cache
def inspector() -> inspection.Inspector:
    found = inspection.Inspector()
    atexit.register(found.close)
    return found


def laid_out(folder: Path, files: Mapping[str, bytes]) -> dict[str, Path]:
    """As the blob store holds them: under names that say nothing."""
    places = {}
    for path, content in files.items():
        places[path] = folder / hashlib.sha256(path.encode() + content).hexdigest()
        places[path].write_bytes(content)
    return places


def files_of(folder: Path) -> dict[str, Path]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in found}


def inspect(
    places: Mapping[str, Path],
    form: str | None = None,
    limits: inspection.Limits = LIMITS,
    by: inspection.Inspector | None = None,
) -> inspection.Inspection:
    sizes = {path: place.lstat().st_size for path, place in places.items() if place.exists()}
    sizes |= dict.fromkeys(places.keys() - sizes.keys(), 1)

    def fetch(path: str, count: int | None) -> int:
        return inspection.open_plain(path, places[path])

    return (by or inspector()).inspect(sizes, fetch, form, limits)


def inspect_built(
    folder: Path, files: Mapping[str, bytes], form: str | None = None
) -> inspection.Inspection:
    return inspect(laid_out(folder, files), form)


def verdict(folder: Path, files: Mapping[str, bytes], form: str | None = None) -> str:
    """The format, or why not."""
    try:
        return inspect_built(folder, files, form).format
    except errors.UnsafeModel as refusal:
        return refusal.detail
