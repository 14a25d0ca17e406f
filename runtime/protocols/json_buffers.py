"""Requests that are little but numbers, read without a Python object for each of them.

simdjson keeps a document as one buffer, and copies a list of numbers out of it as an array: two to
three times as fast as to make objects of them first. Only what is exactly as expected is taken
here; for all else None is returned, and it is read the careful way, which says what is wrong with
it. So which of the two has read a request shows in nothing but the time it took.
"""

import math
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from simdjson import Array as List
from simdjson import Object, Parser

from registry.errors import InvalidInput
from runtime.backends.protocol import NUMPY_TYPES, Array
from runtime.protocols import json_faults, json_numbers

_Kind: TypeAlias = Literal["d", "i"]

# For less, either way takes as long.
_SMALLEST_BYTES = 512
# What is read of a larger one is not kept for the next.
_KEPT_BYTES = 1 << 20
# A list is looked at by itself, a number is not: in shorter ones they are no faster.
_SHORTEST_ROW = 16
_MOST_LISTS = 65_536
# How the numbers of each type are copied.
_COPIED: Mapping[str, _Kind] = {"float32": "d", "float64": "d", "int32": "i", "int64": "i"}
_DATATYPES: Mapping[str, _Kind] = {"FP32": "d", "FP64": "d", "INT32": "i", "INT64": "i"}
_NARROW = {dtype: np.dtype(NUMPY_TYPES[dtype]) for dtype in _COPIED}
# The largest of each type; the smallest is as far below zero, or one further.
_LARGEST: Mapping[str, float] = {
    "float32": float(np.finfo(np.float32).max), "float64": float(np.finfo(np.float64).max),
    "int32": 2**31 - 1, "int64": 2**63 - 1,
}  # fmt: skip
_REQUEST = {"inputs", "outputs", "id", "parameters"}
# Of a parser: no JSON, another type, too deep, or in use by another thread.
_OTHERWISE = (ValueError, TypeError, KeyError, RuntimeError)
_kept = Parser()


def rows(data: bytes, dtype: str, *, limit: float | None) -> Array | None:
    """The tensor of `{"instances": [...]}`, in the shape of the nested lists; floats must be below
    `limit`, whatever their sign."""
    kind = _COPIED.get(dtype)
    if kind is None or len(data) < _SMALLEST_BYTES:
        return None
    try:
        document = _parsed(data)
        if list(document) != ["instances"]:
            return None
        instances: Any = document["instances"]
        shape, lists = _shape(instances)
        # A list that was not counted is a number's place: the shape would be another.
        if not shape or data.count(b"[") != lists:
            return None
        found = _narrowed(_copied(instances, kind), dtype, math.inf if limit is None else limit)
    except _OTHERWISE:
        return None
    return found.reshape(shape) if found is not None and found.size == math.prod(shape) else None


def numbers(data: bytes, dtype: str, *, limit: float | None = None) -> Array | None:
    """The tensor of `[1, 2, ...]`, one list of numbers and nothing else, with one dimension; floats
    as for `rows`."""
    kind = _COPIED.get(dtype)
    # The copy would take what is nested for flat.
    if kind is None or data.rfind(b"[") != 0:
        return None
    try:
        parser = _kept if len(data) <= _KEPT_BYTES else Parser()
        found = _copied(parser.parse(data), kind)
    except _OTHERWISE:
        return None
    return _narrowed(found, dtype, math.inf if limit is None else limit) if found.size else None


def document(data: bytes, datatypes: Iterable[str]) -> dict[str, Any] | None:
    """An inference request of the Open Inference Protocol, with a flat array in place of the `data`
    of each input, of float64 or int64, for `tensor` to read. The model's inputs are of these
    `datatypes`: a request with any other would only be read twice."""
    if len(data) < _SMALLEST_BYTES or not all(map(_DATATYPES.__contains__, datatypes)):
        return None
    try:
        parsed = _parsed(data)
        names = list(parsed)
        if len(set(names)) != len(names) or not {"inputs"} <= set(names) <= _REQUEST:
            return None
        found = {name: _plain(parsed[name]) for name in names if name != "inputs"}
        found["inputs"] = [_item(one) for one in _listed(parsed["inputs"])]
    except _OTHERWISE:
        return None
    # Those of `inputs`, `outputs`, and of each input's shape and data: there is none within those.
    lists = 1 + isinstance(found.get("outputs"), list) + 2 * len(found["inputs"])
    return found if data.count(b"[") == lists else None


def tensor(data: object, dtype: str, shape: Sequence[int]) -> Array:
    """What `document` left for an input of this type and shape. Raises `InvalidInput` where it does
    not fit, or there is none."""
    if isinstance(data, np.ndarray) and data.size == math.prod(shape):
        found = _narrowed(data, dtype, math.inf)
        if found is not None:
            return found.reshape(shape)
    raise InvalidInput("these are not numbers that fit")


def _parsed(data: bytes) -> Object:
    if data.startswith(BOM_UTF8):
        raise ValueError("it is skipped here, and refused elsewhere")
    parser = _kept if len(data) <= _KEPT_BYTES else Parser()
    found = parser.parse(data)
    if not isinstance(found, Object):
        raise TypeError("not an object")
    return found


def _shape(value: Any) -> tuple[list[int], int]:
    """Of nested lists, and how many lists that are; no shape for what is ragged, empty, or not
    worth a look at each list."""
    shape: list[int] = []
    level, lists = [value], 0
    while len(shape) < json_faults.DEEPEST and type(level[0]) is List:
        lists += len(level)
        size = len(level[0])
        for one in level[1:]:
            if type(one) is not List or len(one) != size:
                return [], lists
        if not size:
            return [], lists
        shape.append(size)
        if type(level[0][0]) is not List:
            return (shape if len(level) == 1 or size >= _SHORTEST_ROW else []), lists
        if len(level) * size > _MOST_LISTS:
            return [], lists
        level = [inner for one in level for inner in one]
    return [], lists


def _listed(value: object) -> List:
    if not isinstance(value, List):
        raise TypeError("not a list")
    return value


def _item(given: object) -> dict[str, Any]:
    if not isinstance(given, Object):
        raise TypeError("not an object")
    names = list(given)
    if len(set(names)) != len(names):
        raise ValueError("a name comes twice")
    found = {name: _plain(given[name]) for name in names if name != "data"}
    found["data"] = _copied(given["data"], _DATATYPES[found["datatype"]])
    return found


def _plain(value: Any) -> Any:
    match value:
        case Object():
            return value.as_dict()
        case List():
            return value.as_list()
    return value


def _copied(given: object, kind: _Kind) -> Array:
    """Raises `TypeError` where one is no number, or no whole one where `kind` is of those."""
    buffer = _listed(given).as_buffer(of_type=kind)
    return np.frombuffer(buffer, np.float64 if kind == "d" else np.int64)


def _narrowed(wide: Array, dtype: str, limit: float) -> Array | None:
    """As `dtype`; None where a number is not below `limit`, or does not fit."""
    largest = _LARGEST[dtype]
    if wide.dtype.kind == "f":
        fits = json_numbers.are_below(wide, min(limit, largest))
    else:
        fits = dtype == "int64" or bool(
            wide.size and wide.max() <= largest and wide.min() >= -largest - 1
        )
    return wide.astype(_NARROW[dtype], copy=False) if fits else None
