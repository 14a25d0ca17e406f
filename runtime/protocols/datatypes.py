"""The Open Inference Protocol's names for datatypes, and how its BYTES lie in a binary tensor."""

import math
from collections.abc import Mapping

from registry.errors import InvalidInput
from runtime.backends.protocol import Array, objects

NAMES: Mapping[str, str] = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}"
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}  # fmt: skip
_LENGTH = 4  # little-endian, before each element of BYTES


def strings(data: memoryview, shape: tuple[int, ...], *, what: str) -> Array:
    """The elements of a BYTES tensor; raises `InvalidInput` unless they fill `data` exactly."""
    count = math.prod(shape)
    if count * _LENGTH > len(data):
        raise InvalidInput(
            f"{what} has {count} elements by its shape, which cannot be in {len(data)} bytes"
        )
    found: list[bytes] = []
    start, end = 0, len(data)
    for position in range(count):
        begins = start + _LENGTH
        start = begins + int.from_bytes(data[start:begins], "little")
        if begins > end or start > end:
            raise InvalidInput(f"{what} ends within its element {position}")
        found.append(bytes(data[begins:start]))
    if start != end:
        raise InvalidInput(f"{what} has {end - start} bytes behind its {count} elements")
    return objects(found, shape)


def packed(items: Array) -> bytes:
    """The inverse of `strings`."""
    parts: list[bytes] = []
    for item in items.flat:
        parts.append(len(item).to_bytes(_LENGTH, "little"))
        parts.append(item)
    return b"".join(parts)
