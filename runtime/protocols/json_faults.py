"""What is wrong with a JSON tensor, in the words of TensorFlow Serving's json_tensor.cc.

Slow on purpose and only walked once a request is known to be bad: the first fault in document
order is the one reported, as a client of the original would see it.
"""

import json
import math

import numpy as np

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.protocols import json_strings

DEEPEST = 32

_NAMES = {"float16": "half", "float32": "float", "float64": "double"}
_MANTISSA_BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
_SHOWN_CHARACTERS = 200


def fault(value: object, tensor: Tensor) -> InvalidInput:
    """The first fault of `value` as a tensor."""
    found = _fault(value, dense_shape(value), tensor.dtype)
    return found or InvalidInput(
        f"JSON Value: {shown(value)} does not fit in the type: {dtype_name(tensor.dtype)}"
    )


def dense_shape(value: object) -> list[int]:
    """The shape that the first element at each level promises."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def element_fault(values: list[object], tensor: Tensor) -> tuple[int, InvalidInput]:
    """Which element of a row-format request is the first bad one, and what is wrong with it."""
    first = dense_shape(values[0])
    for position, value in enumerate(values):
        shape = dense_shape(value)
        found = _fault(value, shape, tensor.dtype) or _other_shape(first, shape)
        if found:
            return position, found
    return 0, fault(values, tensor)


def shown(value: object) -> str:
    """A value as it stood in the request, cut where it is long."""
    try:
        text = json.dumps(value, separators=(",", ":"))
    except RecursionError:
        return "(too deeply nested to show)"
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def kind(value: object) -> str:
    """What rapidjson calls the type of a value."""
    kinds = {dict: "Object", list: "Array", str: "String", bool: str(value), type(None): "Null"}
    return kinds.get(type(value), "Number")


def dtype_name(dtype: str) -> str:
    return _NAMES.get(dtype, dtype)


def _other_shape(first: list[int], shape: list[int]) -> InvalidInput | None:
    if first == shape:
        return None
    expected, got = _size(first), _size(shape)
    if expected != got:
        return InvalidInput(f"Expecting tensor size: {expected} but got: {got}")
    return InvalidInput(f"Expecting shape {_printed(first)} but got: {_printed(shape)}")


def _fault(value: object, shape: list[int], dtype: str) -> InvalidInput | None:
    if len(shape) > DEEPEST:
        return InvalidInput(f"lists are nested deeper than {DEEPEST} levels")
    return _walk(value, 0, shape, dtype)


def _walk(value: object, level: int, shape: list[int], dtype: str) -> InvalidInput | None:
    if not isinstance(value, list):
        if level != len(shape):
            return InvalidInput(
                f"JSON Value: {shown(value)} found at incorrect level: {level + 1} "
                f"in the JSON DOM. Expected at level: {len(shape)}"
            )
        return _leaf_fault(value, dtype)
    if level >= len(shape):
        return InvalidInput(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        return InvalidInput(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    faults = (_walk(item, level + 1, shape, dtype) for item in value)
    return next((found for found in faults if found), None)


def _leaf_fault(value: object, dtype: str) -> InvalidInput | None:
    if dtype == "string":
        return _string_fault(value)
    if dtype == "bool":
        return None if isinstance(value, bool) else _type_error(value, dtype)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _type_error(value, dtype)
    if dtype in _MANTISSA_BITS:
        return _float_fault(value, dtype)
    low, high = _range(dtype)
    if not isinstance(value, int) or not low <= value <= high:
        return _type_error(value, dtype)
    return None


def _string_fault(value: object) -> InvalidInput | None:
    if not isinstance(value, str | dict):
        return _type_error(value, "string")
    try:
        json_strings.encoded(value)
    except ValueError:
        if json_strings.is_bytes(value):
            return InvalidInput("Unable to base64 decode")
        return InvalidInput(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    return None


def _float_fault(value: float, dtype: str) -> InvalidInput | None:
    if isinstance(value, int):
        lossy = abs(value) >= 2 ** _MANTISSA_BITS[dtype]
    else:
        with np.errstate(over="ignore"):
            lossy = math.isfinite(value) and _overflows(value, dtype)
    if not lossy:
        return None
    return InvalidInput(
        f"Cannot convert JSON value: {shown(value)} to {dtype_name(dtype)} "
        "without loss of precision."
    )


def _overflows(value: float, dtype: str) -> bool:
    if dtype == "bfloat16":
        return bool(np.isinf(bfloat16.numbers(bfloat16.narrowed(np.array(value)))))
    return bool(np.isinf(np.dtype(dtype).type(value)))


def _range(dtype: str) -> tuple[int, int]:
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _type_error(value: object, dtype: str) -> InvalidInput:
    return InvalidInput(
        f"JSON Value: {shown(value)} Type: {kind(value)} "
        f"is not of expected type: {dtype_name(dtype)}"
    )


def _size(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _printed(shape: list[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"
