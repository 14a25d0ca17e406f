"""A zip file read so strictly that no two readers can disagree on what is in it.

Records lie one behind the other from the first byte on, the directory follows, and behind its
end nothing does. So no record overlaps another, is hidden from the directory, or is there twice
(letter case ignored, as PyTorch's reader does). Format: APPNOTE.TXT 6.3.10 by PKWARE.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Never

from registry import errors
from registry.core import names
from registry.formats.model import Opened
from registry.formats.refusal import unsafe

MAX_RECORDS = 100_000
MAX_DIRECTORY = 32 << 20

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_LOCAL_CHECKSUM, _CENTRAL_CHECKSUM, _DESCRIPTOR_CHECKSUM = 14, 16, 4
_STORED, _DEFLATED = 0, 8
_LATER, _UTF8, _LEVEL = 0x8, 0x800, 0x6
_IN_64 = 0xFFFFFFFF
_SYMBOLIC_LINK = 0o120000
_AGAIN = "save the model again with torch.jit.save and push that file"


@dataclass(frozen=True, slots=True)
class Record:
    """One file in the archive; `start` is where its bytes begin, packed or not.

    `checksum_at` are all places of the archive where its checksum stands.
    """

    name: str
    is_packed: bool
    flags: int
    checksum: int
    packed: int
    size: int
    header: int
    start: int = 0
    checksum_at: tuple[int, ...] = ()


class Archive:
    """The records of `file` by name; raises UnsafeModel for what is not as above."""

    records: Mapping[str, Record]

    def __init__(self, file: Opened) -> None:
        self._file = file
        start, size, count = self._directory()
        listed = list(self._central(file.read(start, size), count, starts_at=start))
        self.records = {placed.name: placed for placed in self._placed(listed, directory_at=start)}
        if len({name.casefold() for name in self.records}) != len(listed):
            self._refuse("two records have one name")

    def read(self, record: Record, most: int) -> bytes:
        """The record's content, checked against its checksum; never more than `most` bytes."""
        if record.size > most:
            self._refuse(f"{record.name!r} has {record.size} bytes, over {most}")
        content = self._file.read(record.start, record.packed)
        if record.is_packed:
            content = self._unpacked(record, content)
        if len(content) != record.size or zlib.crc32(content) != record.checksum:
            self._refuse(f"{record.name!r} is damaged")
        return content

    def _unpacked(self, record: Record, packed: bytes) -> bytes:
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacking.decompress(packed, record.size + 1)
        except zlib.error:
            self._refuse(f"{record.name!r} is damaged")
        if not unpacking.eof or unpacking.unused_data:
            self._refuse(f"{record.name!r} does not unpack to the {record.size} bytes it declares")
        return content

    def _directory(self) -> tuple[int, int, int]:
        """Where the directory starts, its bytes and its records."""
        at = self._file.size - _END.size
        end = self._file.read(max(at, 0), _END.size)
        if at < 0 or end[:4] != b"PK\5\6":
            self._refuse("the file is truncated or damaged, or something follows the archive")
        _, disk, first, here, count, size, start, comment = _END.unpack(end)
        if disk or first or here != count or comment:
            self._refuse("the archive has parts or a comment")
        wide = self._wide(at)
        if wide is not None:
            at = wide[3]
            for narrow, value in zip((start, size, count), wide, strict=False):
                if narrow not in {value, _IN_64, 0xFFFF}:
                    self._refuse("its two directories' ends disagree")
            start, size, count, _ = wide
        if start + size != at or size > MAX_DIRECTORY or count > MAX_RECORDS:
            self._refuse("its directory is not where it must be, or too large")
        return start, size, count

    def _wide(self, end: int) -> tuple[int, int, int, int] | None:
        """The same from the zip64 end, and where that is; None where there is none."""
        at = end - _LOCATOR.size
        locator = self._file.read(max(at, 0), _LOCATOR.size)
        if at < 0 or locator[:4] != b"PK\6\7":
            return None
        _, disk, where, disks = _LOCATOR.unpack(locator)
        found = self._file.read(where, _END64.size)
        if disk or disks != 1 or where + _END64.size != at or found[:4] != b"PK\6\6":
            self._refuse("its zip64 directory end is not where it must be")
        _, length, _, _, here, first, listed, count, size, start = _END64.unpack(found)
        if length != _END64.size - 12 or here or first or listed != count:
            self._refuse("its zip64 directory end is damaged")
        return start, size, count, where

    def _central(self, directory: bytes, count: int, *, starts_at: int) -> Iterator[Record]:
        at = 0
        for _ in range(count):
            if len(directory) - at < _CENTRAL.size:
                self._refuse("its directory is truncated")
            fields = _CENTRAL.unpack_from(directory, at)
            checksum_at = starts_at + at + _CENTRAL_CHECKSUM
            lengths = fields[10:13]
            at += _CENTRAL.size
            if fields[0] != b"PK\1\2" or at + sum(lengths) > len(directory):
                self._refuse("its directory is damaged")
            name = directory[at : at + lengths[0]]
            extra = directory[at + lengths[0] : at + lengths[0] + lengths[1]]
            at += sum(lengths)
            yield replace(self._record(fields, name, extra), checksum_at=(checksum_at,))
        if at != len(directory):
            self._refuse("its directory holds more than it lists")

    def _record(self, fields: tuple[int, ...], name: bytes, extra: bytes) -> Record:
        _, _, _, flags, method, _, _, checksum, packed, size, *_ = fields
        comment, disk, _, attributes, header = fields[12:17]
        text = self._name(name)
        if flags & ~(_LATER | _UTF8 | _LEVEL):
            self._refuse(f"{text!r} is encrypted or packed in an unusual way")
        size, packed, header = self._in_64(extra, size, packed, header)
        if method not in {_STORED, _DEFLATED} or (method == _STORED and packed != size):
            self._refuse(f"{text!r} is packed in a way that is not allowed")
        if comment or disk or (attributes >> 16) & 0o170000 == _SYMBOLIC_LINK:
            self._refuse(f"{text!r} is a link, or has a comment")
        return Record(text, method == _DEFLATED, flags, checksum, packed, size, header)

    def _name(self, name: bytes) -> str:
        try:
            return names.file_path(name.decode("ascii"))
        except (UnicodeDecodeError, errors.InvalidName):
            self._refuse(f"a record is called {name[:120]!r}")

    def _in_64(self, extra: bytes, *narrow: int) -> Iterator[int]:
        """What does not fit in 32 bits is in the extra field, in this order."""
        at, wide = 0, b""
        while len(extra) - at >= 4:
            kind, length = struct.unpack_from("<HH", extra, at)
            if kind == 1:
                wide = extra[at + 4 : at + 4 + length]
            at += 4 + length
        for value in narrow:
            if value != _IN_64:
                yield value
            elif len(wide) >= 8:
                yield int.from_bytes(wide[:8], "little")
                wide = wide[8:]
            else:
                self._refuse("its directory lacks a size")

    def _placed(self, listed: list[Record], *, directory_at: int) -> Iterator[Record]:
        """Each record's own header agrees with the directory, and the next one follows it."""
        in_order = sorted(listed, key=lambda record: record.header)
        follows = [*(record.header for record in in_order[1:]), directory_at]
        if not in_order:
            self._refuse("it holds nothing")
        if in_order[0].header != 0:
            self._refuse("something precedes the first record")
        for record, after in zip(in_order, follows, strict=True):
            local = self._file.read(record.header, _LOCAL.size)
            if len(local) < _LOCAL.size or local[:4] != b"PK\3\4":
                self._refuse(f"{record.name!r} is not where the directory says")
            fields = _LOCAL.unpack(local)
            start = record.header + _LOCAL.size + fields[9] + fields[10]
            if not self._agrees(record, fields):
                self._refuse(f"{record.name!r} has a header that disagrees with the directory")
            self._check_end(record, start + record.packed, after)
            places = self._places(record, start + record.packed, in_header=fields[6])
            yield replace(record, start=start, checksum_at=places)

    def _places(self, record: Record, end: int, *, in_header: int) -> tuple[int, ...]:
        """In the directory, in the record's own header or behind its bytes, or in both."""
        is_later = bool(record.flags & _LATER)
        header = [record.header + _LOCAL_CHECKSUM] if in_header or not is_later else []
        behind = [end + _DESCRIPTOR_CHECKSUM] if is_later else []
        return (*record.checksum_at, *header, *behind)

    def _agrees(self, record: Record, fields: tuple[int, ...]) -> bool:
        _, _, flags, method, _, _, checksum, packed, size, length, _ = fields
        name = self._file.read(record.header + _LOCAL.size, length)
        expected = (record.checksum, record.packed, record.size)
        later = (0, 0, 0) if record.flags & _LATER else expected
        return (
            name == record.name.encode()
            and flags == record.flags
            and (method == _DEFLATED) == record.is_packed
            and checksum in {expected[0], later[0]}
            and packed in {expected[1], later[1], _IN_64}
            and size in {expected[2], later[2], _IN_64}
        )

    def _check_end(self, record: Record, end: int, after: int) -> None:
        """Sizes that were not known when the header was written stand behind the bytes."""
        if record.flags & _LATER:
            form = {16: "<4sIII", 24: "<4sIQQ"}.get(after - end)
            found = self._file.read(end, after - end) if form else b""
            expected = (b"PK\7\x08", record.checksum, record.packed, record.size)
            if form and struct.unpack(form, found) == expected:
                return
        elif end == after:
            return
        self._refuse(f"{record.name!r} overlaps another record, or something lies behind it")

    def _refuse(self, what: str) -> Never:
        raise unsafe(self._file.path, f"the zip archive: {what}", fix=_AGAIN)
