"""The trying process: runs a model and its marked copy on the same made-up inputs, shut in.

A child of the `zygote` like the inspecting one, and as little trusted: it runs what a stranger
made. ONNX alone, on onnxruntime where that is installed, with one thread. The answer is numbers
and a few words: {"runtime", "outputs"}, or {"skipped": why}, or {"broken": how the copy fails}.
"""

import os
from typing import Any

import numpy as np
import numpy.random  # lazily imported by numpy, and nothing can be imported once shut in
from numpy.typing import NDArray

from registry.core import canonical, fields
from registry.core.canonical import Json

try:
    import onnxruntime
except ImportError:  # the registry alone does not bring it
    onnxruntime = None

SEED = 20_260_901
_ROWS, _OTHER = 16, 8
_MOST = 1 << 22
_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16",
    "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool",
}  # fmt: skip
_WHAT = "trial"
Tensors = dict[str, NDArray[Any]]


class _Skipped(Exception):
    """The model cannot be tried here, which says nothing against it."""


def answer(request: bytes, descriptors: range, walls: list[str]) -> bytes:
    """The first descriptor is the original, the second its copy, both of `size` bytes."""
    size = fields.integer(canonical.decode_object(request, what=_WHAT), "size", what=_WHAT)
    try:
        return canonical.encode({**_tried(descriptors, size), "isolation": [*walls]})
    except _Skipped as skipped:
        return canonical.encode({"skipped": str(skipped)[:300]})


def _tried(descriptors: range, size: int) -> dict[str, Json]:
    if onnxruntime is None:
        raise _Skipped("onnxruntime is not installed here")
    original, copy = (os.pread(one, size, 0) for one in descriptors)
    try:
        first = _session(original)
        inputs = _inputs(first)
        wanted = _outputs(first, inputs)
    except _Skipped:
        raise
    except Exception as error:
        raise _Skipped(f"the original does not run on made-up inputs: {error}") from error
    del original, first
    try:
        found = _outputs(_session(copy), inputs)
    except Exception as error:  # noqa: BLE001
        return {"broken": f"it does not run: {error}"[:300]}
    outputs: dict[str, Json] = {}
    for name, value in wanted.items():
        if value.shape != found[name].shape or _is_worse(value, found[name]):
            return {"broken": f"output {name[:80]!r} is no longer finite, or of another shape"}
        outputs[name[:80]] = _apart(value, found[name])
    return {"runtime": f"onnxruntime {onnxruntime.__version__}", "outputs": outputs}


def _session(model: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _inputs(session: Any) -> Tensors:
    """The same for the same model: sixteen rows, and eight of what else is free."""
    random, made = np.random.default_rng(SEED), Tensors()
    for one in session.get_inputs():
        dtype = _DTYPES.get(one.type)
        if dtype is None:
            raise _Skipped(f"input {one.name[:80]!r} is a {one.type[:40]}")
        free = [_ROWS] + [_OTHER] * (len(one.shape) - 1)
        shape = [
            size if isinstance(size, int) else other
            for size, other in zip(one.shape, free, strict=False)
        ]
        if np.prod([float(size) for size in shape]) > _MOST:
            raise _Skipped(f"input {one.name[:80]!r} is too large to be made up")
        if dtype.startswith("float"):
            made[one.name] = random.standard_normal(shape).astype(dtype)
        else:
            made[one.name] = random.integers(0, 2, shape).astype(dtype)
    return made


def _outputs(session: Any, inputs: Tensors) -> Tensors:
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(names, inputs), strict=True))
    numbers = {
        name: value.astype(np.float64)
        for name, value in found.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size
    }
    if not numbers:
        raise _Skipped("it gives no numbers")
    return numbers


def _is_worse(before: NDArray[Any], after: NDArray[Any]) -> bool:
    return bool(np.any(np.isfinite(before) & ~np.isfinite(after)))


def _apart(before: NDArray[Any], after: NDArray[Any]) -> dict[str, Json]:
    """How far the outputs are apart: the largest difference, and the share of the whole."""
    difference = np.where(np.isfinite(before), after - before, 0.0)
    whole = float(np.sqrt(np.mean(np.square(np.where(np.isfinite(before), before, 0.0)))))
    found: dict[str, Json] = {
        "largest": _rounded(float(np.max(np.abs(difference)))),
        "relative": _rounded(float(np.sqrt(np.mean(np.square(difference)))) / whole)
        if whole
        else 0.0,
    }
    if before.ndim > 1 and before.shape[-1] > 1:
        same = np.argmax(before, axis=-1) == np.argmax(after, axis=-1)
        found["top1"] = _rounded(float(np.mean(same)))
    return found


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
