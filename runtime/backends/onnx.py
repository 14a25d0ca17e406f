"""ONNX models on onnxruntime. The import takes 0.25 s, so the server answers before it is done.

Since 1.29 the engine's makers are sent what it loads, unless it is told before its import not to.
"""

import ctypes
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput, UnsafeModel
from runtime.backends import protocol, stopping
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
from runtime.backends.stopping import Stop

_ONNX_BFLOAT16 = 16
_FATAL = 4
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
# What comes out of the engine as everybody else has it.
_PLAIN = {"bool", "float16", "float32", "float64"}
# A row that takes less gains nothing from a second thread, which has to be woken for it.
_SMALL_NS = 300_000
_SMALL_BYTES = 8 * 1024 * 1024
_RUNS = 5


class OnnxBackend:
    """One session. Its one call is named as TensorFlow Serving's clients expect."""

    calls: Mapping[str, Call]
    trouble = ""

    def __init__(self, files: Path, settings: Settings = DEFAULT_SETTINGS) -> None:
        path = _model_file(files)
        weights = _weights(files, path, settings)
        cores = os.cpu_count() or 1
        may_be_small = settings.threads is None and _size(files) <= _SMALL_BYTES
        threads = 1 if may_be_small else settings.threads or cores
        self._session = _session(path, threads, weights)
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
        given = {tensor.dtype for tensor in signature.inputs}
        found = {tensor.dtype for tensor in signature.outputs}
        if may_be_small and not self._is_small(signature):
            self._session = _session(path, cores, weights)
        # The session's own `run` looks at every value again, which costs as much as a small run.
        direct = self._session._sess.run  # noqa: SLF001
        self._run = self._run_bits if "bfloat16" in given | found else direct
        self._takes_text = "string" in given
        self._gives_plain = found <= _PLAIN

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`; there is only the default call."""
        del call
        feed = _texts(inputs) if self._takes_text else inputs
        try:
            stop = stopping.current()
            found = self._run(self._outputs, feed, None if stop is None else _options(stop))
        except InvalidArgument as error:
            raise InvalidInput(str(error)) from error
        if self._gives_plain:
            return dict(zip(self._outputs, found, strict=True))
        return {
            name: _as_bytes(value) if value.dtype.kind in "OUS" else _canonical(value)
            for name, value in zip(self._outputs, found, strict=True)
        }

    def close(self) -> None:
        """See `Backend.close`."""
        del self._session, self._run

    def _run_bits(self, outputs: tuple[str, ...], feed: Arrays, options: Any) -> list[Array]:
        """What `InferenceSession.run` does, which takes and gives no bfloat16."""
        given = {name: _handed_in(value) for name, value in feed.items()}
        found = self._session.run_with_ort_values(outputs, given, options)
        return [_taken_out(value) for value in found]

    def _is_small(self, signature: Signature) -> bool:
        """Whether a row, whose size is known, is done before a second thread would be awake."""
        if any(not tensor.shape or None in tensor.shape[1:] for tensor in signature.inputs):
            return False
        feed = protocol.zeros(signature)
        try:
            return min(_took(self._session, feed) for _ in range(_RUNS)) < _SMALL_NS
        except Exception:  # noqa: BLE001  zeros may not suit it
            return False

    def _has_one_first_axis(self) -> bool:
        """Whether no two axes that would be stacked have different names in the file."""
        nodes = (*self._session.get_inputs(), *self._session.get_outputs())
        return len({node.shape[0] for node in nodes} - {None}) <= 1


def _weights(files: Path, path: Path, settings: Settings) -> str:
    """Raises `UnsafeModel` where they are to be mapped and there is no file of them alone."""
    if settings.weights == "mapped" and not any(
        other.is_file() and other.suffix != ".json" for other in files.rglob("*") if other != path
    ):
        raise UnsafeModel(
            f"its weights cannot be mapped: they are inside {path.name!r}",
            fix="save it with external data, or leave out `weights: mapped`",
        )
    return settings.weights


def _session(path: Path, threads: int, weights: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Within a run threads spin between nodes: to wake one takes as long as many a node does, which
    # cost a transformer of 18 ms a fifth (bench/heavy.py). After it they sleep: one that spins has
    # its core, needed or not.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if weights == "mapped":
        # What the engine packs for itself is a private copy of every weight.
        options.add_session_config_entry("session.disable_prepacking", "1")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnsafeModel(f"onnxruntime cannot load {path.name!r}: {error}") from error


def _options(stop: Stop) -> Any:
    """What is said of one run: from another thread, it can then be ended between two nodes."""
    found = onnxruntime.RunOptions()
    found.log_severity_level = _FATAL  # that it was ended is no error, and all others are raised
    stop.heed_by(partial(setattr, found, "terminate", True))
    return found


def _size(files: Path) -> int:
    return sum(file.stat().st_size for file in files.rglob("*") if file.is_file())


def _took(session: Any, feed: Arrays) -> int:
    """Processor time of this thread, which is the only one: others may have the core meanwhile."""
    started = time.thread_time_ns()
    session.run(None, feed)
    return time.thread_time_ns() - started


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


def _texts(inputs: Arrays) -> Arrays:
    return {name: _as_text(value) if value.dtype == object else value
            for name, value in inputs.items()}  # fmt: skip


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
