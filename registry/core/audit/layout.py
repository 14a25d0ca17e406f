"""Where everything stands in an audit bundle, version 1, and in which order.

The order is that in which a log grows: 256 entries, their hashes, the documents about them, and
so on; so whoever reads it once, from front to back, can check everything as it comes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from registry.core.audit import tiles
from registry.core.audit.tiles import WIDTH
from registry.errors import BundleInvalid

README, TRUST, CHECKPOINT = "README.md", "trust.json", "checkpoint"
_DOCUMENT = re.compile(r"documents/(0|[1-9]\d{0,18})/([a-z]+)\.([0-9a-f]{64})\.json")


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of the hash level `level`; full where `width` is 256."""

    level: int
    number: int
    width: int

    @property
    def path(self) -> str:
        """C2SP tlog-tiles' path below the log's address."""
        return f"tile/{self.level}/{tiles.place(self.number, self.width)}"


@dataclass(frozen=True, slots=True)
class Step:
    """Up to 256 entries in a bundle, and the tiles of hashes that they complete."""

    number: int
    width: int
    tiles: tuple[Tile, ...]

    @property
    def start(self) -> int:
        """The first entry's index."""
        return self.number * WIDTH

    @property
    def path(self) -> str:
        """The entry bundle's path."""
        return f"tile/entries/{tiles.place(self.number, self.width)}"


@dataclass(frozen=True, slots=True)
class Document:
    """What a document's name says: the entry it belongs to, its role, its content's sha256."""

    index: int
    role: str
    sha256: str

    @property
    def name(self) -> str:
        """Its name in the bundle."""
        return f"documents/{self.index}/{self.role}.{self.sha256}.json"


def earlier(size: int) -> str:
    """The name of an earlier checkpoint, over `size` entries."""
    return f"checkpoints/{size}"


def earlier_size(name: str) -> int | None:
    """The size that such a name says, or None for other names."""
    form = re.fullmatch(r"checkpoints/(0|[1-9]\d{0,18})", name)
    return int(form[1]) if form else None


def document(name: str) -> Document:
    """Raises BundleInvalid where this is no document's name."""
    form = _DOCUMENT.fullmatch(name)
    if form is None:
        raise BundleInvalid(f"{name!r} is nothing that belongs here", fix="export it anew")
    return Document(int(form[1]), form[2], form[3])


def steps(size: int) -> Iterator[Step]:
    """All of a log of `size` entries, in order."""
    last = -(-size // WIDTH) - 1
    for number in range(last + 1):
        width = min(WIDTH, size - number * WIDTH)
        made = [Tile(0, number, width), *_completed(number, width)]
        if number == last:
            made += _unfinished(size)
        yield Step(number, width, tuple(made))


def _completed(number: int, width: int) -> Iterator[Tile]:
    """Tiles of higher levels whose last hash comes with this tile of level 0."""
    level, count = 1, number + 1
    while width == WIDTH and count % WIDTH == 0:
        count //= WIDTH
        yield Tile(level, count - 1, WIDTH)
        level += 1


def _unfinished(size: int) -> Iterator[Tile]:
    """The partial tiles above level 0 at the log's end."""
    level, count = 1, size // WIDTH
    while count:
        if count % WIDTH:
            yield Tile(level, count // WIDTH, count % WIDTH)
        level, count = level + 1, count // WIDTH
