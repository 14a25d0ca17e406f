"""Asks a model by onnxruntime, in the process that this is. One home of sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from registry.errors import InvalidInput, Unsupported
from registry.making.optimising.samples import Array, Samples

_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16",
    "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool",
    "tensor(uint8)": "uint8", "tensor(int8)": "int8",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A loaded model: its inputs with their types, and which output is the answer."""

    session: Any
    inputs: tuple[tuple[str, str], ...]
    output: str
    fixed: int | None

    def run(self, given: Mapping[str, Array]) -> Array:
        """The answer to one batch: scores (n, classes), or classes (n,)."""
        rows = len(next(iter(given.values())))
        if self.fixed is not None and rows < self.fixed:
            given = {name: _padded(one, self.fixed) for name, one in given.items()}
        (answer,) = self.session.run([self.output], dict(given))
        found: Array = np.asarray(answer)[:rows]
        return found

    def scores(self, samples: Samples, batch: int) -> Array:
        """The answers to all samples, asked `batch` at a time, or as many as the model takes."""
        return np.concatenate([self.run(one) for one in samples.batches(self.fixed or batch)])


def load(path: Path, output: str | None, *, threads: int = 1, level: str = "all") -> Asked:
    """Raises Unsupported for what onnxruntime cannot load, or inputs that no array can be for."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    options.graph_optimization_level = {
        "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
        "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    }[level]
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes, one for each of its error codes
        raise Unsupported(f"onnxruntime cannot load it: {_first(error)}") from error
    inputs = []
    for one in session.get_inputs():
        if one.type not in _DTYPES:
            raise Unsupported(f"input {one.name!r} is a {one.type}, not numbers")
        inputs.append((one.name, _DTYPES[one.type]))
    first = session.get_inputs()[0].shape
    fixed = first[0] if first and isinstance(first[0], int) else None
    return Asked(session, tuple(inputs), _output(session, output), fixed)


def classes(scores: Array) -> Array:
    """The class of each answer (int64): the highest score, a class itself, or one probability."""
    if scores.dtype.kind in "iub":
        return np.asarray(scores.reshape(len(scores), -1)[:, 0], np.int64)
    rows = scores.reshape(len(scores), -1)
    if rows.shape[1] == 1:
        return np.asarray(rows[:, 0] > 0.5, np.int64)
    return np.asarray(rows.argmax(axis=1), np.int64)


def _output(session: Any, wanted: str | None) -> str:
    names = [one.name for one in session.get_outputs()]
    if wanted is None and len(names) == 1:
        return str(names[0])
    if wanted is None or wanted not in names:
        raise InvalidInput(
            f"the model's outputs are {', '.join(names)}: which is the answer?",
            fix="write output: and one of them in the recipe's spec",
        )
    return wanted


def _padded(rows: Array, count: int) -> Array:
    return np.concatenate([rows, np.repeat(rows[-1:], count - len(rows), axis=0)])


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
