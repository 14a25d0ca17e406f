"""Lists of plain numbers in JSON to arrays, told apart from all else without a look at each type.

numpy is never given a list: it would make room in each element for the longest text in it, which a
request of a megabyte can make a hundred gigabytes; and `struct` takes a fifth of the time, and
takes no text, no null, no list, no fraction and nothing out of range for a whole number.
"""

import struct
from itertools import chain
from typing import Any

import numpy as np

from runtime.backends.protocol import NUMPY_TYPES, Array
from runtime.protocols import json_faults

_SEARCHES = 16
# Of more than these BLAS has threads sum up the squares; those of half floats, which it does not
# know, are soon infinite.
_FEW, _SINGLE = 8192, 4
# How each type is packed. Half a float is what numpy makes of a whole one.
_CODES = {
    "float16": "d", "float32": "f", "float64": "d",
    "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
}  # fmt: skip


def may_have_booleans(data: bytes) -> bool:
    """Whether there may be a boolean in this JSON, which `packed` takes for a number.

    A search for the words takes as long as reading the numbers; a search for a letter does not,
    and these two are in few of the protocols' own names.
    """
    return _may_have(b"true", b"u", data) or _may_have(b"false", b"l", data)


def leaves(value: object) -> tuple[list[int], list[Any]] | None:
    """Shape and leaves in row-major order of nested lists; None for whatever else it is, and for
    what is ragged, empty or too deep. The leaves may be of any type, lists among them."""
    if type(value) is not list:
        return None
    shape = [len(value)]
    level: list[Any] = value
    while level and type(level[0]) is list:
        if len(level) == 1:
            level = level[0]
            shape.append(len(level))
        else:
            try:
                sizes = set(map(len, level))
            except TypeError:
                return None
            if len(sizes) != 1:
                return None
            shape.append(sizes.pop())
            level = list(chain.from_iterable(level))
        if len(shape) > json_faults.DEEPEST:
            return None
    return (shape, level) if level else None


def packed(numbers: list[Any], dtype: str) -> Array | None:
    """One array of exactly these; None where one is no number, or no whole number in range where
    `dtype` is of those. A number too large for its float is infinite."""
    code = _CODES.get(dtype)
    if code is None:
        return None
    try:
        data = struct.pack(f"{len(numbers)}{code}", *numbers)
    except (struct.error, OverflowError):
        return None
    if dtype == "float16":
        with np.errstate(over="ignore"):
            return np.frombuffer(data).astype(np.float16)
    return np.frombuffer(data, NUMPY_TYPES[dtype])


def are_below(numbers: Array, limit: float) -> bool:
    """Whether each of these floats is a number, and smaller than `limit` whatever its sign."""
    # One pass over few numbers: none of them is larger than the root of all their squares.
    if (
        numbers.size <= _FEW
        and numbers.dtype.itemsize >= _SINGLE
        and np.vdot(numbers, numbers) < limit * limit
    ):
        return True
    # Of a NaN, which is the largest and the smallest of all, no comparison holds.
    return bool(numbers.max() < limit and numbers.min() > -limit)


def _may_have(word: bytes, letter: bytes, data: bytes) -> bool:
    at = -1
    for _ in range(_SEARCHES):
        at = data.find(letter, at + 1)
        if at < 0:
            return False
        if data.startswith(word, at - word.index(letter)):
            return True
    return True
