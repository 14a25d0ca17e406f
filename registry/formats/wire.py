"""The outermost fields of a protobuf message, found without parsing what is inside.

Enough to tell one format from another and to say where a truncated file stops.
Encoding: https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class Field:
    """A field's number and wire type; `value` is a varint's value or a length's bytes.

    `at` is where the payload starts: behind a length, and where a number's own bytes are.
    """

    number: int
    wire_type: int
    value: int
    at: int


class Broken(Exception):
    """These bytes are no protobuf message; the message says at which byte."""


def fields(data: memoryview) -> Iterator[Field]:
    """All outermost fields in order; raises Broken at the first byte that makes no sense."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if number == 0 or wire_type not in {VARINT, FIXED64, LENGTH, FIXED32}:
            raise Broken(f"byte {position} starts no field")
        value, after = _skip(data, position, wire_type)
        if after > len(data):
            raise Broken(
                f"it ends at byte {len(data)}, inside field {number} that runs to byte {after}"
            )
        start = after - value if wire_type == LENGTH else position
        yield Field(number, wire_type, value, start)
        position = after


def varint(data: memoryview) -> tuple[int, int]:
    """The number at the start, and how many bytes it takes; raises Broken."""
    return _varint(data, 0)


def varints(data: memoryview) -> Iterator[int]:
    """What a packed field holds; raises Broken."""
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _skip(data: memoryview, position: int, wire_type: int) -> tuple[int, int]:
    """The field's value, and where the next one starts."""
    if wire_type == FIXED64:
        return 0, position + 8
    if wire_type == FIXED32:
        return 0, position + 4
    value, position = _varint(data, position)
    return (value, position) if wire_type == VARINT else (value, position + value)


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, position + count + 1
    raise Broken(f"it ends at byte {len(data)}, inside a number that starts at byte {position}")
