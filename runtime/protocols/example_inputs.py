"""From tf.Examples to a call's inputs: serialised for a model that parses them, else by feature.

A SavedModel that classifies or regresses takes one vector of serialised Examples. Any other model
takes each input from the feature of its name; features that it has no input for are left alone, as
TensorFlow's own parser leaves them. How large the inputs become is known before they are made: a
context is small on the wire and is in every Example.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import NUMPY_TYPES, Array, Call, objects
from runtime.protocols.examples import NOTHING, Example, Feature

# Whole numbers that a type of floats has without a gap.
_EXACT = {"bfloat16": 2**8, "float16": 2**11, "float32": 2**24, "float64": 2**53}


def packed(items: Sequence[bytes], *, context: bytes = b"", limit: int) -> Array:
    """A vector of serialised Examples; two of them joined are one merged, as protobuf has it."""
    if len(context) * len(items) + sum(map(len, items)) > limit:
        raise InvalidInput(f"the Examples with their context are above the limit of {limit} bytes")
    return objects([context + item for item in items] if context else items, (len(items),))


def by_feature(call: Call, rows: Sequence[Example], *, limit: int) -> dict[str, Array]:
    """Every input of the call; raises `InvalidInput` naming the Example and the feature."""
    return {tensor.name: _column(tensor, rows, limit) for tensor in call.signature.inputs}


def _column(tensor: Tensor, rows: Sequence[Example], limit: int) -> Array:
    found = [row.get(tensor.name, NOTHING) for row in rows]
    for at, feature in enumerate(found):
        if not feature.values:
            raise InvalidInput(f"Example {at} has no feature {tensor.name!r}, which is an input")
    behind = _behind(tensor, len(found[0].values))
    size = math.prod(behind)
    dtype: np.dtype[Any] = np.dtype(NUMPY_TYPES[tensor.dtype])
    if len(rows) * size * dtype.itemsize > limit:
        raise InvalidInput(f"input {tensor.name!r} is above the limit of {limit} bytes")
    values: list[object] = []
    for at, feature in enumerate(found):
        if len(feature.values) != size:
            raise InvalidInput(
                f"Example {at}: feature {tensor.name!r} has {len(feature.values)} values, "
                f"must have {size}"
            )
        _require_kind(at, feature, tensor)
        values += feature.values
    return _array(values, tensor).reshape((len(rows), *behind))


def _behind(tensor: Tensor, size: int) -> tuple[int, ...]:
    """The shape of one row; of one free dimension the first Example says how long it is."""
    if tensor.shape is None:
        return (size,)
    if not tensor.shape:
        raise InvalidInput(f"input {tensor.name!r} has no first dimension for Examples")
    behind = tensor.shape[1:]
    free, fixed = behind.count(None), math.prod(one for one in behind if one is not None)
    if free == 0:
        return tuple(one or 0 for one in behind)
    if free > 1 or not fixed or size % fixed:
        raise InvalidInput(
            f"input {tensor.name!r} of the shape {list(tensor.shape)} cannot be made of a "
            f"feature with {size} values"
        )
    return tuple(size // fixed if one is None else one for one in behind)


def _require_kind(at: int, feature: Feature, tensor: Tensor) -> None:
    if tensor.dtype == "string":
        fits = feature.kind == "bytes"
    elif tensor.dtype in _EXACT:
        fits = feature.kind in {"float", "int64"}
    else:
        fits = feature.kind == "int64"
    if not fits:
        raise InvalidInput(
            f"Example {at}: feature {tensor.name!r} is of type {feature.kind}, the input is "
            f"{tensor.dtype}"
        )


def _array(values: list[object], tensor: Tensor) -> Array:
    """Whole numbers may become floats where that changes none of them."""
    dtype = tensor.dtype
    if dtype == "string":
        return objects(values, (len(values),))
    if dtype in _EXACT:
        if any(type(one) is int and abs(one) > _EXACT[dtype] for one in values):
            raise _unfit(tensor)
        wide = np.array(values, np.float64)
        with np.errstate(over="ignore"):
            made: Array = (
                bfloat16.narrowed(wide) if dtype == "bfloat16" else wide.astype(NUMPY_TYPES[dtype])
            )
        if (np.isinf(bfloat16.numbers(made)) & np.isfinite(wide)).any():
            raise _unfit(tensor)
        return made
    whole = np.array(values, np.int64)
    made = whole.astype(NUMPY_TYPES[dtype])
    if (made.astype(np.int64) != whole).any() or (dtype == "uint64" and (whole < 0).any()):
        raise _unfit(tensor)
    return made


def _unfit(tensor: Tensor) -> InvalidInput:
    return InvalidInput(
        f"a value of feature {tensor.name!r} does not fit in the input's {tensor.dtype}"
    )
