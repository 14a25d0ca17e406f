"""ONNX models on onnxruntime. The import takes 0.25 s, so the server answers before it is done."""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import protocol
from runtime.backends.bfloat16 import BFLOAT16
from runtime.backends.protocol import (
    DEFAULT_CALL,
    DEFAULT_SETTINGS,
    Array,
    Arrays,
    Call,
    Settings,
    objects,
)

_ONNX_BFLOAT16 = 16
_DTYPES = {
    "bool": "bool",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "int8": "int8",
    "int16": "int16",
    "int32": "int32",
    "int64": "int64",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float": "float32",
    "double": "float64",
    "string": "string",
}


class OnnxBackend:
    """One session. Its one call is named as TensorFlow Serving's clients expect."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path, settings: Settings = DEFAULT_SETTINGS) -> None:
        self._session = _session(_model_file(files), settings)
        signature = Signature(
            tuple(_tensor(node, "input") for node in self._session.get_inputs()),
            tuple(_tensor(node, "output") for node in self._session.get_outputs()),
        )
        inputs = tuple(tensor.name for tensor in signature.inputs)
        self._outputs = tuple(tensor.name for tensor in signature.outputs)
        batches = protocol.has_free_rows(signature) and self._has_one_first_axis()
        self.calls = {
            DEFAULT_CALL: Call(
                signature, "tensorflow/serving/predict", inputs, self._outputs, batches
            )
        }
        dtypes = {tensor.dtype for tensor in (*signature.inputs, *signature.outputs)}
        self._run = self._run_bits if "bfloat16" in dtypes else self._session.run

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`; there is only the default call."""
        del call
        feed = {name: _as_text(value) if value.dtype == object else value
                for name, value in inputs.items()}  # fmt: skip
        try:
            found = self._run(self._outputs, feed)
        except InvalidArgument as error:
            raise InvalidInput(str(error)) from error
        return {
            name: _as_bytes(value) if value.dtype.kind in "OUS" else _canonical(value)
            for name, value in zip(self._outputs, found, strict=True)
        }

    def close(self) -> None:
        """See `Backend.close`."""
        del self._session, self._run

    def _run_bits(self, outputs: tuple[str, ...], feed: dict[str, Array]) -> list[Array]:
        """What `InferenceSession.run` does, which takes and gives no bfloat16."""
        given = {name: _handed_in(value) for name, value in feed.items()}
        return [_taken_out(value) for value in self._session.run_with_ort_values(outputs, given)]

    def _has_one_first_axis(self) -> bool:
        """Whether no two axes that would be stacked have different names in the file."""
        nodes = (*self._session.get_inputs(), *self._session.get_outputs())
        return len({node.shape[0] for node in nodes} - {None}) <= 1


def _session(path: Path, settings: Settings) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads or os.cpu_count() or 1
    # Threads that spin while they wait would take the cores from the event loop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnsafeModel(f"onnxruntime cannot load {path.name!r}: {error}") from error


def _model_file(files: Path) -> Path:
    found = sorted(files.rglob("*.onnx"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found[:3]) or "none"
        raise UnsafeModel(f"an ONNX version has exactly one .onnx file, found {names}")
    return found[0]


def _tensor(node: Any, what: str) -> Tensor:
    kind = str(node.type).removeprefix("tensor(").removesuffix(")")
    if kind not in _DTYPES:
        raise UnsafeModel(
            f"{what} {node.name!r} is of type {node.type}, which cannot be served",
            fix="export tensors; for scikit-learn classifiers convert with zipmap=False",
        )
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(node.name, _DTYPES[kind], shape)


def _handed_in(value: Array) -> Any:
    if value.dtype != BFLOAT16:
        return onnxruntime.OrtValue.ortvalue_from_numpy(np.asarray(value, order="C"))
    bits = np.asarray(value, order="C").view(np.uint16)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, _ONNX_BFLOAT16)


def _taken_out(value: Any) -> Array:
    if value.data_type() != "tensor(bfloat16)":
        return np.asarray(value.numpy())
    data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(bytearray(data), dtype=BFLOAT16).reshape(value.shape())


def _as_text(value: Array) -> Array:
    try:
        return objects((item.decode() for item in value.flat), value.shape)
    except UnicodeDecodeError as error:
        raise InvalidInput("a string of this model's input is not UTF-8") from error


def _as_bytes(value: Array) -> Array:
    return objects((str(item).encode() for item in value.flat), value.shape)


def _canonical(value: Array) -> Array:
    """onnxruntime's 64-bit integers are `longlong`, which nothing else takes for int64."""
    return value.view(value.dtype.str) if value.dtype.kind in "iu" else value
