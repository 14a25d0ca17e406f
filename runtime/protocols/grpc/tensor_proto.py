"""TensorFlow's TensorProto, both of its forms, to arrays and back.

A tensor may be smaller on the wire than in memory: the last value stands for all that follow. So
every size is checked by arithmetic first, against what one request may have.
"""

import math
from typing import Any

import numpy as np

from registry.core.tensors import Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import NUMPY_TYPES, Array, objects
from runtime.protocols.grpc import messages

TENSOR = messages.of("tensorflow.TensorProto")
SHAPE = messages.of("tensorflow.TensorShapeProto")
NUMBERS = {
    "float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "string": 7,
    "int64": 9, "bool": 10, "bfloat16": 14, "uint16": 17, "float16": 19, "uint32": 22,
    "uint64": 23,
}  # fmt: skip
_NAMES = {number: name for name, number in NUMBERS.items()}
_FIELDS = {
    "float32": "float_val", "float64": "double_val", "string": "string_val",
    "int64": "int64_val", "bool": "bool_val", "uint32": "uint32_val", "uint64": "uint64_val",
    "float16": "half_val", "bfloat16": "half_val",
    "int32": "int_val", "uint8": "int_val", "int16": "int_val", "int8": "int_val",
    "uint16": "int_val",
}  # fmt: skip
_MOST_DIMENSIONS = 254
_NUMPY_DIMENSIONS = 32


def array(proto: Any, tensor: Tensor, *, limit: int) -> Array:
    """The tensor's values for the input `tensor`; raises `InvalidInput`. At most `limit` bytes."""
    found = _NAMES.get(proto.dtype)
    if found != tensor.dtype:
        raise InvalidInput(
            f"input '{tensor.name}' expects to be {tensor.dtype} but "
            f"{found or f'type {proto.dtype}'} is provided"
        )
    shape = _shape(proto.tensor_shape, tensor.name)
    dtype: np.dtype[Any] = np.dtype(NUMPY_TYPES[found])
    count = math.prod(shape)
    # An empty tensor costs nothing, and yet its other dimensions may be summed up by somebody.
    if math.prod(size or 1 for size in shape) * dtype.itemsize > limit:
        raise InvalidInput(
            f"tensor parsing error: {tensor.name}: {list(shape)} is above the limit of "
            f"{limit} bytes"
        )
    if proto.tensor_content:
        return _content(proto.tensor_content, tensor.name, dtype, shape)
    values = getattr(proto, _FIELDS[found])
    if len(values) > count or (count and not values):
        raise _mismatch(tensor.name, len(values), count)
    if found == "string":
        return objects([*values, *[values[-1]] * (count - len(values))] if count else [], shape)
    flat = _flat(values, found, dtype, tensor.name)
    if len(flat) < count:
        flat = np.concatenate((flat, np.broadcast_to(flat[-1:], (count - len(flat),))))
    return flat.reshape(shape)


def proto(value: Array, dtype: str) -> Any:
    """`value` in typed fields, as TensorFlow Serving answers: not every client reads the other."""
    made = TENSOR(dtype=NUMBERS[dtype])
    for size in value.shape:
        made.tensor_shape.dim.add(size=size)
    bits = value.view(np.uint16) if dtype in {"float16", "bfloat16"} else value
    getattr(made, _FIELDS[dtype]).extend(bits.ravel().tolist())
    return made


def shape_proto(shape: tuple[int | None, ...] | None) -> Any:
    """A declared shape: -1 where it is free."""
    if shape is None:
        return SHAPE(unknown_rank=True)
    return SHAPE(dim=[{"size": -1 if size is None else size} for size in shape])


def _shape(given: Any, name: str) -> tuple[int, ...]:
    shape = tuple(dim.size for dim in given.dim)
    if given.unknown_rank or min(shape, default=0) < 0 or len(shape) > _MOST_DIMENSIONS:
        raise InvalidInput(f"tensor parsing error: {name}: its shape is not one that a tensor has")
    if len(shape) > _NUMPY_DIMENSIONS:
        raise InvalidInput(f"tensor parsing error: {name}: it has {len(shape)} dimensions")
    return shape


def _content(data: bytes, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    count = math.prod(shape)
    if dtype.kind == "O":
        return _packed_strings(data, name, shape)
    if len(data) != count * dtype.itemsize:
        raise InvalidInput(
            f"tensor parsing error: {name}: {len(data)} bytes of tensor_content for the "
            f"{count * dtype.itemsize} of its shape"
        )
    if dtype.kind == "b" and data.strip(b"\0\1"):
        raise InvalidInput(f"tensor parsing error: {name}: a bool is neither 0 nor 1")
    found: Array = np.frombuffer(data, dtype)
    return (found if found.flags.aligned else found.copy()).reshape(shape)


def _packed_strings(data: bytes, name: str, shape: tuple[int, ...]) -> Array:
    """All lengths as varints, then all bytes (TensorFlow's port::DecodeStringList)."""
    sizes, at = [], 0
    for _ in range(math.prod(shape)):
        size, shift = 0, 0
        while True:
            if at >= len(data) or shift > 28:
                raise InvalidInput(f"tensor parsing error: {name}: its tensor_content is cut off")
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        sizes.append(size)
    if sum(sizes) != len(data) - at:
        raise InvalidInput(
            f"tensor parsing error: {name}: its lengths are not its tensor_content's"
        )
    found = []
    for size in sizes:
        found.append(data[at : at + size])
        at += size
    return objects(found, shape)


def _flat(values: Any, found: str, dtype: np.dtype[Any], name: str) -> Array:
    if dtype.itemsize < 4 and found != "bool":
        wide = np.fromiter(values, np.int32, len(values))
        bits = dtype if dtype.kind in "iu" else np.dtype(np.uint16)
        limits = np.iinfo(bits)
        if len(wide) and (wide.min() < limits.min or wide.max() > limits.max):
            raise InvalidInput(f"tensor parsing error: {name}: a value is no {found}")
        return wide.astype(bits).view(dtype)
    return np.fromiter(values, dtype, len(values))


def _mismatch(name: str, found: int, wanted: int) -> InvalidInput:
    return InvalidInput(
        f"tensor parsing error: {name}: {found} values for the {wanted} elements of its shape"
    )
