"""Weights in an ONNX file: each holds exactly the bytes its shape says, and only its own.

External data must lie in a plain file of the same model; CVE-2022-25882, CVE-2024-27318 and
CVE-2026-34446 are what happens otherwise.
"""

import posixpath
from collections.abc import Collection, Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from registry import errors
from registry.core import names
from registry.errors import UnsafeModel
from registry.formats.refusal import unsafe

_TYPE = onnx.TensorProto
_BITS: Mapping[int, int] = {
    _TYPE.BOOL: 8, _TYPE.UINT8: 8, _TYPE.INT8: 8, _TYPE.UINT16: 16, _TYPE.INT16: 16,
    _TYPE.UINT32: 32, _TYPE.INT32: 32, _TYPE.UINT64: 64, _TYPE.INT64: 64, _TYPE.FLOAT16: 16,
    _TYPE.BFLOAT16: 16, _TYPE.FLOAT: 32, _TYPE.DOUBLE: 64, _TYPE.COMPLEX64: 64,
    _TYPE.COMPLEX128: 128, _TYPE.UINT4: 4, _TYPE.INT4: 4, _TYPE.FLOAT8E4M3FN: 8,
    _TYPE.FLOAT8E4M3FNUZ: 8, _TYPE.FLOAT8E5M2: 8, _TYPE.FLOAT8E5M2FNUZ: 8,
}  # fmt: skip
_EXTERNAL_KEYS = {"location", "offset", "length", "checksum"}
_LISTS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
_AGAIN = "export the model again with onnx.save_model"


class Weights:
    """Checks tensors of the model whose head is `head`; `sizes` are all its files'."""

    def __init__(self, head: str, sizes: Mapping[str, int]) -> None:
        self._head = head
        self._sizes = sizes
        self._taken: dict[str, int] = {}

    @property
    def files(self) -> Collection[str]:
        """The files that weights were found to lie in."""
        return self._taken.keys()

    def check_initializer(self, tensor: Any) -> None:
        """Weights of a graph may lie in another file of the model."""
        if tensor.data_location == _TYPE.EXTERNAL:
            self._external(tensor, _byte_count(self._head, tensor))
        else:
            self.check_inline(tensor)

    def external(self, message: bytes) -> tuple[str, int, int]:
        """File, offset and length of the data of one tensor's own message, as strictly checked."""
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString(message)
        except DecodeError as error:
            raise unsafe(self._head, "a tensor is damaged", fix=_AGAIN) from error
        return self._external(tensor, _byte_count(self._head, tensor))

    def check_inline(self, tensor: Any) -> None:
        """A tensor anywhere else holds its own data."""
        if tensor.data_location == _TYPE.EXTERNAL or tensor.external_data:
            raise self._no(tensor, "external data outside of a graph's weights is not allowed")
        elements = _element_count(self._head, tensor)
        if tensor.data_type == _TYPE.STRING:
            held, expected = len(tensor.string_data), elements
        elif tensor.HasField("raw_data"):
            held, expected = len(tensor.raw_data), _byte_count(self._head, tensor)
        else:
            held, expected = sum(len(getattr(tensor, name)) for name in _LISTS), elements
            if tensor.data_type in {_TYPE.COMPLEX64, _TYPE.COMPLEX128}:
                expected *= 2
            elif _BITS.get(tensor.data_type) == 4:
                expected = -(-expected // 2)
        if held != expected:
            raise self._no(tensor, f"its shape {_shape(tensor)} needs {expected}, it holds {held}")

    def _external(self, tensor: Any, expected: int) -> tuple[str, int, int]:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        unknown = entries.keys() - _EXTERNAL_KEYS
        if unknown or len(entries) != len(tensor.external_data) or tensor.HasField("raw_data"):
            raise self._no(tensor, "its external data is described in a way that is not allowed")
        path = self._located(tensor, entries.get("location", ""))
        offset = self._number(tensor, entries.get("offset", "0"))
        length = self._number(tensor, entries.get("length", str(expected)))
        size = self._sizes[path]
        if length != expected:
            raise self._no(tensor, f"{length} external bytes for a shape that needs {expected}")
        if offset + length > size:
            raise self._no(
                tensor, f"bytes {offset} to {offset + length} of {path}, which has only {size}"
            )
        self._taken[path] = self._taken.get(path, 0) + length
        if self._taken[path] > size:
            raise self._no(tensor, f"weights share bytes of {path}, to unpack into more than it is")
        return path, offset, length

    def _located(self, tensor: Any, location: str) -> str:
        folder = posixpath.dirname(self._head)
        try:
            path = posixpath.join(folder, names.file_path(location))
        except errors.InvalidName:
            raise self._no(
                tensor, f"external data at {location[:120]!r}, outside of the model"
            ) from None
        if path not in self._sizes:
            raise unsafe(
                self._head,
                f"tensor {tensor.name[:80]!r}: external data in {path!r}, which was not pushed",
                fix=f"push the folder that holds both {self._head} and {path}",
            )
        return path

    def _number(self, tensor: Any, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise self._no(tensor, f"{text[:40]!r} is no offset or length")
        return int(text)

    def _no(self, tensor: Any, what: str) -> UnsafeModel:
        return unsafe(self._head, f"tensor {tensor.name[:80]!r}: {what}", fix=_AGAIN)


def values(message: bytes) -> NDArray[np.float64] | None:
    """The numbers of one small tensor's own message; None where they are no numbers, or not in it.

    Raises what onnx raises: for parsers that are shut in.
    """
    tensor = onnx.TensorProto()
    tensor.ParseFromString(message)
    if tensor.data_location == _TYPE.EXTERNAL or tensor.data_type == _TYPE.STRING:
        return None
    found: NDArray[np.float64] = numpy_helper.to_array(tensor).astype(np.float64).ravel()
    return found


def _element_count(head: str, tensor: Any) -> int:
    if any(size < 0 for size in tensor.dims):
        raise unsafe(
            head, f"tensor {tensor.name[:80]!r}: shape {_shape(tensor)} is negative", fix=_AGAIN
        )
    return prod(tensor.dims)


def _byte_count(head: str, tensor: Any) -> int:
    bits = _BITS.get(tensor.data_type)
    if bits is None:
        raise unsafe(
            head,
            f"tensor {tensor.name[:80]!r}: data type {tensor.data_type} is not supported",
            fix="export the model with float32, float16, int8 or another common type",
        )
    return -(-_element_count(head, tensor) * bits // 8)


def _shape(tensor: Any) -> str:
    return "x".join(str(size) for size in list(tensor.dims)[:8]) or "scalar"
