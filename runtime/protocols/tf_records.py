"""TFRecord files: one record after the other, each checked against its checksums.

A length, its CRC-32C, the bytes, theirs; all little-endian, checksums masked as TensorFlow does.
Nothing is allocated for a length that is above the limit or that its checksum does not confirm.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from registry.core import crc32c
from registry.errors import InvalidInput

_HEAD = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")


def read(file: BinaryIO, *, limit: int) -> Iterator[bytes]:
    """The records; raises `InvalidInput` where one is not whole, altered or over `limit` bytes."""
    at = 0
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            raise _fault("truncated", at)
        length, checksum = _HEAD.unpack(head)
        if _sum(head[:8]) != checksum:
            raise _fault("corrupted", at)
        if length > limit:
            raise InvalidInput(f"the record at {at} has {length} bytes, over {limit}")
        data, tail = file.read(length), file.read(_CHECKSUM.size)
        if len(data) < length or len(tail) < _CHECKSUM.size:
            raise _fault("truncated", at)
        if _sum(data) != _CHECKSUM.unpack(tail)[0]:
            raise _fault("corrupted", at)
        yield data
        at += _HEAD.size + length + _CHECKSUM.size


def written(record: bytes) -> bytes:
    """The inverse of `read`, for one record."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _CHECKSUM.pack(_sum(length)), record, _CHECKSUM.pack(_sum(record))))


def _sum(data: bytes) -> int:
    return crc32c.masked(crc32c.crc32c(data))


def _fault(what: str, at: int) -> InvalidInput:
    return InvalidInput(
        f"{what} record at {at}. Please verify your warmup data is in TFRecord format."
    )
