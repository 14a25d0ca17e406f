"""The Merkle tree of a log that is read from its beginning, tile by tile, in flat memory.

Kept are the unfinished tile of each level and nothing else: 256 hashes for each 256-fold of the
log. Its rows are the very tiles of C2SP tlog-tiles.
"""

from collections.abc import Sequence

from registry.core import merkle
from registry.core.audit.tiles import WIDTH

_LEVELS = 8


class Tree:
    """Grows by leaf hashes. A full row stays readable until its next hash comes."""

    def __init__(self) -> None:
        self.size = 0
        self._rows: list[list[bytes]] = [[]]

    def extend(self, hashes: Sequence[bytes]) -> None:
        """Add leaf hashes, none of them beyond the tile that the first of them belongs to."""
        self._add(0, hashes)
        self.size += len(hashes)

    def tile(self, level: int) -> bytes:
        """The newest tile of a level, as far as it goes."""
        return b"".join(self._rows[level]) if level < len(self._rows) else b""

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return merkle.root(self.size, self.subtree)

    def subtree(self, level: int, index: int) -> bytes:
        """The root over a complete subtree at the right edge (`registry.core.merkle`)."""
        row, height = divmod(level, _LEVELS)
        start = (index << height) % WIDTH
        return _folded(self._rows[row][start : start + (1 << height)])

    def _add(self, level: int, hashes: Sequence[bytes]) -> None:
        if level == len(self._rows):
            self._rows.append([])
        row = self._rows[level]
        if len(row) == WIDTH and hashes:
            row.clear()
        row.extend(hashes)
        if len(row) == WIDTH and hashes:
            self._add(level + 1, [_folded(row)])


def _folded(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [merkle.node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
