"""The log as C2SP tlog-tiles: static pieces that any auditor's tool can fetch and keep.

A tile at level L holds up to 256 hashes of subtrees of 256^L leaves; an entry bundle up to 256
leaves, each after its length in 16 bits. Partial ones carry their width in their path.
"""

import re
from dataclasses import dataclass

from registry import errors
from registry.db import log as rows
from registry.usecases import log
from registry.usecases.opening import Registry

WIDTH = 256
_PATH = re.compile(r"((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class Place:
    """The tile's number, and how many items the asker expects in it."""

    number: int
    width: int


def place(path: str) -> Place:
    """Read `x001/x234/067.p/5` (tile 1234067, 5 items); raises NotFound for other forms."""
    form = _PATH.fullmatch(path)
    width = int(form[2]) if form and form[2] else WIDTH
    # A full tile has one name only, and a number no needless groups of zeros.
    is_partial_full = form is not None and form[2] is not None and not 0 < width < WIDTH
    if form is None or is_partial_full or form[1].startswith("x000/"):
        raise errors.NotFound(f"no tile {path[:60]!r}", fix="see the C2SP tlog-tiles specification")
    return Place(int(form[1].replace("x", "").replace("/", "")), width)


def hashes(registry: Registry, level: int, at: Place) -> bytes:
    """The tile's hashes, one after the other; raises NotFound beyond the log's end."""
    start = at.number * WIDTH
    _require_complete(registry, (start + at.width) << (8 * level))
    with registry.database.reading() as session:
        return rows.row_of_hashes(session, level=8 * level, start=start, stop=start + at.width)


def entries(registry: Registry, at: Place) -> bytes:
    """The bundle's leaves; raises NotFound beyond the log's end."""
    start = at.number * WIDTH
    _require_complete(registry, start + at.width)
    with registry.database.reading() as session:
        leaves = rows.leaves(session, start=start, stop=start + at.width)
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for _, leaf in leaves)


def _require_complete(registry: Registry, needed: int) -> None:
    size = log.size(registry)
    if needed > size:
        raise errors.NotFound(f"no such tile in a log of {size} entries")
