"""JSON values to arrays and back, as TensorFlow Serving's json_tensor.cc does it.

Reading first tries the whole tensor at once. Only where that fails is it walked value by value,
to say what is wrong and where in TensorFlow Serving's own words. Numbers are never taken from
strings, booleans or null, and never rounded out of an integer.
"""

import json
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import orjson

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import NUMPY_TYPES, Array, Arrays, objects
from runtime.protocols import json_faults, json_numbers, json_strings

Reader = Callable[[object, Tensor], Array]

EXACT_INTEGERS = {"bfloat16": 2**8, "float16": 2**11, "float32": 2**24, "float64": 2**53}


def loads(data: bytes) -> dict[str, Any]:
    """The request document. NaN, Infinity and -Infinity are numbers here, as in the original."""
    if not data:
        raise InvalidInput("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        document = _loads_with_nan(data, error)
    if not isinstance(document, dict):
        raise InvalidInput(f"JSON Value: {json_faults.shown(document)} Is not object")
    return document


def array(value: object, tensor: Tensor) -> Array:
    """One tensor; its shape is that of the nested lists. Raises `InvalidInput`."""
    try:
        shape, leaves, kinds = flat(value)
        found = _typed(leaves, kinds, tensor.dtype)
    except (ValueError, OverflowError) as error:
        raise json_faults.fault(value, tensor) from error
    return found.reshape(shape)


def reader(data: bytes) -> Reader:
    """How the tensors in this JSON are to be read: quickly, unless there may be a boolean in it."""
    return array if json_numbers.may_have_booleans(data) else quick


def quick(value: object, tensor: Tensor) -> Array:
    """`array`, twice as fast, for what has no boolean in it anywhere. Whatever is not plain
    numbers that fit is left to `array`."""
    plain = json_numbers.leaves(value)
    found = None if plain is None else json_numbers.packed(plain[1], tensor.dtype)
    if plain is None or found is None:
        return array(value, tensor)
    exact = EXACT_INTEGERS.get(tensor.dtype)
    # A NaN, which no comparison holds for, takes the careful way too.
    is_exact = exact is None or json_numbers.are_below(found, exact)
    return found.reshape(plain[0]) if is_exact else array(value, tensor)


def dumps(document: dict[str, Any], *arrays: Array) -> bytes:
    """`document` with the `arrays` in it as JSON; a NaN stays a NaN."""
    found = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    # Which is how it writes what is not finite; the word may be in a string, too.
    if b"null" not in found or all(map(_is_finite, arrays)):
        return found
    return json.dumps(document, default=_plain, separators=(",", ":")).encode()


def values(name: str, found: Array) -> Any:
    """What `dumps` can write for one output; `name` decides how its strings are written."""
    found = bfloat16.numbers(found)
    if found.dtype.kind == "O":
        as_base64 = name.endswith("_bytes")
        strings = (json_strings.plain(item, as_base64=as_base64) for item in found.flat)
        return objects(strings, found.shape).tolist()
    return np.ascontiguousarray(found) if found.ndim else found[()]


def rows(columns: Arrays) -> list[Any]:
    """TensorFlow Serving's row format: one value, or one object of values, an instance."""
    count = _batch_size(columns)
    found = {name: values(name, column) for name, column in columns.items()}
    if len(found) == 1:
        only: list[Any] = next(iter(found.values()))
        return only
    return [{name: column[row] for name, column in found.items()} for row in range(count)]


def _loads_with_nan(data: bytes, error: orjson.JSONDecodeError) -> object:
    if b"NaN" in data or b"Infinity" in data:
        try:
            return _without_half_characters(json.loads(data), data)
        except json.JSONDecodeError as second:
            raise InvalidInput(_parse_error(second)) from second
        except (ValueError, RecursionError) as second:
            raise InvalidInput("JSON Parse error: a number or the nesting is too long") from second
    raise InvalidInput(_parse_error(error)) from error


def _without_half_characters(document: object, data: bytes) -> object:
    """Python takes half of a surrogate pair for a character, and can then not write it."""
    at = data.lower().find(rb"\ud")
    if at >= 0:
        try:
            orjson.dumps(document)
        except TypeError as error:
            raise InvalidInput(
                f"JSON Parse error: The surrogate pair in string is invalid. at offset: {at}"
            ) from error
    return document


def _parse_error(error: json.JSONDecodeError) -> str:
    return f"JSON Parse error: Invalid value. at offset: {error.pos}"


def flat(value: object) -> tuple[list[int], Sequence[Any], set[type]]:
    """Shape, leaves in row-major order and their types; `ValueError` where it is ragged."""
    if type(value) is not list:
        return [], [value], {type(value)}
    shape = [len(value)]
    level: list[Any] = value
    while level:
        kinds = set(map(type, level))
        if list not in kinds:
            return shape, level, kinds
        if len(shape) > json_faults.DEEPEST:
            raise ValueError("nested too deeply")
        sizes = set(map(len, level)) if len(kinds) == 1 else set()
        if len(sizes) != 1:
            raise ValueError("ragged")
        shape.append(sizes.pop())
        level = list(chain.from_iterable(level))
    return shape, [], set()


def _typed(leaves: Sequence[Any], kinds: set[type], dtype: str) -> Array:
    """`ValueError` or `OverflowError` where a leaf is not exactly of `dtype`."""
    if dtype in EXACT_INTEGERS:
        return _floats(leaves, kinds, dtype)
    if dtype == "string":
        return objects(map(json_strings.encoded, leaves), (len(leaves),))
    wanted = bool if dtype == "bool" else int
    if not kinds <= {wanted}:
        raise ValueError("of another type")
    return np.array(leaves, dtype=NUMPY_TYPES[dtype])


def _floats(leaves: Sequence[Any], kinds: set[type], dtype: str) -> Array:
    if not kinds <= {float, int}:
        raise ValueError("of another type")
    wide = np.array(leaves, dtype=np.float64)
    with np.errstate(over="ignore"):
        found = bfloat16.narrowed(wide) if dtype == "bfloat16" else wide.astype(NUMPY_TYPES[dtype])
    numbers = bfloat16.numbers(found)
    # Written so that a NaN, which no comparison holds for, takes the careful way.
    if not np.abs(wide).max(initial=0.0) < EXACT_INTEGERS[dtype]:
        if (np.isinf(numbers) & np.isfinite(wide)).any():
            raise ValueError("too large")
        if any(type(leaf) is int and abs(leaf) >= EXACT_INTEGERS[dtype] for leaf in leaves):
            raise ValueError("not exact")
    return found


def _is_finite(array: Array) -> bool:
    found = bfloat16.numbers(array)
    return found.dtype.kind != "f" or bool(np.isfinite(found).all())


def _plain(item: Any) -> object:
    """Arrays as lists; floats by their shortest digits, so 0.2 does not become 0.2000000003."""
    if item.dtype.kind == "f":
        shortest = np.array([float(str(number)) for number in np.asarray(item).flat])
        return shortest.reshape(item.shape).tolist()
    return item.tolist()


def _batch_size(columns: Arrays) -> int:
    expected = -1
    for name, column in columns.items():
        if column.ndim == 0:
            raise InvalidInput(f"Tensor name: {name} has no shape information ")
        if expected not in {-1, len(column)}:
            raise InvalidInput(
                f"Tensor name: {name} has inconsistent batch size: {len(column)} "
                f"expecting: {expected}"
            )
        expected = len(column)
    return expected
