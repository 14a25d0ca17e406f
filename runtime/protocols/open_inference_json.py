"""Tensors as JSON in the Open Inference Protocol: nested as their shape is, or flat."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import Array, objects
from runtime.protocols import json_numbers, json_tensors
from runtime.protocols.open_inference_plan import Part, Shape

Reader = Callable[[dict[str, Any], Part, Shape], Array]

_SHOWN = 80


def reader(head: bytes) -> Reader:
    """How the data in this JSON is to be read: quickly, unless there may be a boolean in it."""
    return array if json_numbers.may_have_booleans(head) else quick


def quick(item: dict[str, Any], part: Part, shape: Shape) -> Array:
    """`array`, several times as fast, for a request that has no boolean in it anywhere, which
    would pass for numbers. Whatever is not plain numbers that fit is left to `array`."""
    plain = json_numbers.leaves(item.get("data"))
    found = None if plain is None else json_numbers.packed(plain[1], part.tensor.dtype)
    if plain is None or found is None:
        return array(item, part, shape)
    nested, _ = plain
    is_shaped = found.size == math.prod(shape) and (
        len(nested) == 1 or _lengths(nested) == _lengths(shape)
    )
    fits = found.dtype.kind != "f" or json_numbers.are_below(found, math.inf)
    return found.reshape(shape) if is_shaped and fits else array(item, part, shape)


def array(item: dict[str, Any], part: Part, shape: Shape) -> Array:
    """The `data` of one input; raises `InvalidInput`."""
    name = part.tensor.name
    data = item.get("data")
    if not isinstance(data, list):
        raise InvalidInput(
            f"input '{name}' has no 'data' that is a list, and no 'binary_data_size'"
            if data is None
            else f"the 'data' of input '{name}' is not a list"
        )
    try:
        nested, leaves, kinds = json_tensors.flat(data)
    except ValueError as error:
        raise InvalidInput(f"the 'data' of input '{name}' is {error}") from error
    count = math.prod(shape)
    if len(leaves) != count:
        raise InvalidInput(
            f"input '{name}' has {len(leaves)} values, its shape {list(shape)} has {count}"
        )
    # Not what is transposed or cut into other rows; a dimension of 1 changes no order.
    if len(nested) > 1 and _lengths(nested) != _lengths(shape):
        raise InvalidInput(
            f"the 'data' of input '{name}' is nested as {nested}, its shape is {list(shape)}"
        )
    try:
        return _typed(leaves, kinds, part).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise _fault(leaves, part) from error


def values(name: str, found: Array) -> Any:
    """What `json_tensors.dumps` can write for one output: its elements in row-major order.

    Raises `InvalidInput` for bytes that are no text, which JSON cannot hold.
    """
    if found.dtype.kind != "O":
        return np.ascontiguousarray(bfloat16.numbers(found)).reshape(-1)
    try:
        return [item.decode() for item in found.flat]
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"output '{name}' has bytes that are not UTF-8, which JSON cannot hold: "
            "ask for it with 'binary_data': true"
        ) from error


def _lengths(shape: Sequence[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _typed(leaves: Sequence[Any], kinds: set[type], part: Part) -> Array:
    """`ValueError` or `OverflowError` where a leaf is not of the type."""
    if part.is_string:
        if not kinds <= {str}:
            raise ValueError("not a string")
        return objects((leaf.encode() for leaf in leaves), (len(leaves),))
    if part.datatype == "BOOL":
        if not kinds <= {bool}:
            raise ValueError("not a boolean")
        return np.array(leaves, dtype=np.bool_)
    if part.dtype.kind in "iu":
        if not kinds <= {int}:
            raise ValueError("not a whole number")
        return np.array(leaves, dtype=part.dtype)
    if not kinds <= {float, int}:
        raise ValueError("not a number")
    return _floats(leaves, part)


def _floats(leaves: Sequence[Any], part: Part) -> Array:
    """Rounded as any reader of JSON does it, but never to an infinity."""
    wide = np.array(leaves, dtype=np.float64)
    if part.datatype == "FP64":
        return wide
    with np.errstate(over="ignore"):
        found = bfloat16.narrowed(wide) if part.datatype == "BF16" else wide.astype(part.dtype)
    numbers = bfloat16.numbers(found)
    if not np.isfinite(numbers).all() and (np.isinf(numbers) & np.isfinite(wide)).any():
        raise ValueError("too large")
    return found


def _fault(leaves: Sequence[Any], part: Part) -> InvalidInput:
    """Names the first value that is not of the type, found by halving."""
    start, end = 0, len(leaves)
    while end - start > 1:
        middle = (start + end) // 2
        if _is_typed(leaves[start:middle], part):
            start = middle
        else:
            end = middle
    return InvalidInput(
        f"value {start} of input '{part.tensor.name}' is not {part.datatype}: "
        f"{_shown(leaves[start])}"
    )


def _is_typed(leaves: Sequence[Any], part: Part) -> bool:
    try:
        _typed(leaves, set(map(type, leaves)), part)
    except (ValueError, OverflowError):
        return False
    return True


def _shown(value: object) -> str:
    if isinstance(value, str | dict):
        return "a string" if isinstance(value, str) else "an object"
    try:
        return json.dumps(value)[:_SHOWN]
    except ValueError:  # a number too long to print
        return "a number of thousands of digits"
