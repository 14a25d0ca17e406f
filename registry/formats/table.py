"""The table of keys and values that TensorFlow indexes a checkpoint with, read from end to end.

LevelDB's format (leveldb/doc/table_format.md). Blocks lie one behind the other from the first byte
to the footer, each under its checksum, keys ascend: nothing is hidden, and no two readers disagree.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Never

from registry.core.crc32c import crc32c, masked
from registry.formats import wire
from registry.formats.refusal import unsafe

MAX_ENTRIES = 200_000
_MAX_KEY = 4096
_TRAILER = struct.Struct("<BI")
_FOOTER = 48
_MAGIC = 0xDB4775248B80FB57
_AGAIN = "export the model again with tf.saved_model.save or keras model.export"
_COMPRESSIONS = {1: "snappy", 2: "zlib", 4: "zstandard"}


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes [start, stop) and one that says how they are packed, then the checksum over both."""

    start: int
    stop: int

    @property
    def checksum(self) -> int:
        """Where it stands; it is over everything from `start` to there."""
        return self.stop + 1


@dataclass(frozen=True, slots=True)
class Entry:
    """`value` and `at`, where it starts in the file."""

    key: bytes
    value: bytes
    at: int
    block: Block


def entries(path: str, data: memoryview) -> Iterator[Entry]:
    """All of the table, in order; raises UnsafeModel."""
    try:
        yield from _Table(path, data).entries()
    except wire.Broken as broken:
        raise unsafe(path, f"it is damaged: {broken}", fix=_AGAIN) from broken


class _Table:
    def __init__(self, path: str, data: memoryview) -> None:
        self._path = path
        self._data = data

    def entries(self) -> Iterator[Entry]:
        blocks, last = self._blocks(), b""
        for count, entry in enumerate(one for block in blocks for one in self._entries(block)):
            if count >= MAX_ENTRIES:
                self._refuse(f"it has more than {MAX_ENTRIES} entries")
            if count and entry.key <= last:
                self._refuse(f"key {entry.key[:80]!r} is out of order, or there twice")
            last = entry.key
            yield entry

    def _blocks(self) -> list[Block]:
        """Those with data; the two behind them say where, and must be right."""
        footer = len(self._data) - _FOOTER
        if footer < 0 or int.from_bytes(self._data[-8:], "little") != _MAGIC:
            self._refuse("it is truncated, or no index of a checkpoint")
        handles = self._data[footer : footer + _FOOTER - 8]
        (meta_start, meta_size, start, size), used = _numbers(handles, 4)
        if any(handles[used:]):
            self._refuse("its footer holds more than it must")
        meta, index = self._block(meta_start, meta_size), self._block(start, size)
        listed = [self._block(*_numbers(one.value, 2)[0]) for one in self._entries(index)]
        if list(self._entries(meta)):
            self._refuse("it holds filters, which TensorFlow does not write")
        at = 0
        for block in [*listed, meta, index]:
            if block.start != at:
                self._refuse(f"its blocks overlap or leave a hole at byte {at}")
            at = block.checksum + 4
        if at != footer:
            self._refuse(f"something lies between its last block and byte {footer}")
        return listed

    def _block(self, start: int, size: int) -> Block:
        block = Block(start, start + size)
        if size < 4 or block.checksum + 4 + _FOOTER > len(self._data):
            self._refuse(f"a block of {size} bytes at byte {start}, in {len(self._data)}")
        packing, checksum = _TRAILER.unpack_from(self._data, block.stop)
        if packing:
            method = _COMPRESSIONS.get(packing, f"method {packing}")
            raise unsafe(
                self._path,
                f"the block at byte {start} is compressed ({method}): its entries cannot be "
                "changed in place",
                fix="write the checkpoint with TensorFlow's own saver, which does not compress "
                "its index",
            )
        if masked(crc32c(self._data[start : block.checksum])) != checksum:
            self._refuse(f"the checksum of the block at byte {start} is wrong")
        return block

    def _entries(self, block: Block) -> Iterator[Entry]:
        stop, restarts = self._restarts(block)
        at, key, seen = block.start, b"", []
        while at < stop:
            begin = at
            (shared, fresh, length), used = _numbers(self._data[at : min(stop, at + 30)], 3)
            at += used
            value = at + fresh
            if shared > len(key) or shared + fresh > _MAX_KEY or value + length > stop:
                self._refuse(f"the entry at byte {begin} is damaged")
            if shared == 0:
                seen.append(begin - block.start)
            key = key[:shared] + bytes(self._data[at:value])
            yield Entry(key, bytes(self._data[value : value + length]), value, block)
            at = value + length
        # A reader that searches starts at these, one that goes through all does not.
        if not set(restarts) <= {*seen, 0} or restarts[0] != 0:
            self._refuse(f"the block at byte {block.start} can be read in two ways")

    def _restarts(self, block: Block) -> tuple[int, list[int]]:
        """Where entries stop, and where, from the block's start on, a search may begin."""
        count = int.from_bytes(self._data[block.stop - 4 : block.stop], "little")
        stop = block.stop - 4 - 4 * count
        if count < 1 or stop < block.start:
            self._refuse(f"the block at byte {block.start} is damaged")
        found = struct.unpack_from(f"<{count}I", self._data, stop)
        if list(found) != sorted(set(found)):
            self._refuse(f"the block at byte {block.start} can be read in two ways")
        return stop, list(found)

    def _refuse(self, what: str) -> Never:
        raise unsafe(self._path, what, fix=_AGAIN)


def _numbers(data: memoryview | bytes, count: int) -> tuple[list[int], int]:
    """So many at the start, and how many bytes they take."""
    view, at, found = memoryview(data), 0, []
    for _ in range(count):
        value, used = wire.varint(view[at:])
        found.append(value)
        at += used
    return found, at
