"""The steps that are a line of numpy each."""

from collections.abc import Callable

import numpy as np

from registry.core.steps.kinds import ArgMax, Normalise, Softmax, TopK
from registry.errors import PlimsollError
from runtime.backends.protocol import NUMPY_TYPES, Array

Part = Callable[[dict[str, Array]], None]


def part(step: Normalise | Softmax | ArgMax | TopK) -> Part:
    """The step, ready to run on the tensors by name."""
    match step:
        case Normalise():
            return _normalise(step)
        case Softmax():
            return lambda tensors: _softmax(step, tensors)
        case ArgMax():
            return lambda tensors: _arg_max(step, tensors)
        case TopK():
            return lambda tensors: _top_k(step, tensors)


def _normalise(step: Normalise) -> Part:
    """x * a + b: one multiplication and one addition a number, in place."""
    mean, std = np.array(step.mean), np.array(step.std)
    wide = np.float64 if step.dtype == "float64" else np.float32
    factor, offset = (step.scale / std).astype(wide), (-mean / std).astype(wide)

    def run(tensors: dict[str, Array]) -> None:
        given = tensors[step.input]
        shape = _along(step.axis, given.ndim) if max(factor.size, offset.size) > 1 else ()
        found = given.astype(wide)
        np.multiply(found, factor.reshape(shape) if factor.size > 1 else factor[0], out=found)
        np.add(found, offset.reshape(shape) if offset.size > 1 else offset[0], out=found)
        tensors[step.output] = found.astype(NUMPY_TYPES[step.dtype], copy=False)

    return run


def _along(axis: int, rank: int) -> tuple[int, ...]:
    shape = [1] * rank
    shape[axis] = -1
    return tuple(shape)


def _softmax(step: Softmax, tensors: dict[str, Array]) -> None:
    given = _rows_of(tensors, step.input)
    found = given.astype(np.float64 if given.dtype == np.float64 else np.float32)
    if found.size:
        np.subtract(found, found.max(axis=-1, keepdims=True), out=found)
    np.exp(found, out=found)
    np.divide(found, found.sum(axis=-1, keepdims=True), out=found)
    tensors[step.output] = found.astype(given.dtype, copy=False)


def _arg_max(step: ArgMax, tensors: dict[str, Array]) -> None:
    tensors[step.output] = _rows_of(tensors, step.input).argmax(axis=-1).astype(np.int64)


def _top_k(step: TopK, tensors: dict[str, Array]) -> None:
    given = _rows_of(tensors, step.input)
    if given.shape[-1] < step.k:
        raise PlimsollError(f"the model gave {given.shape[-1]} values, the step wants {step.k}")
    # Sorted backwards and turned round, so that of equals the first comes first.
    order = given.shape[-1] - 1 - np.argsort(given[..., ::-1], axis=-1, kind="stable")
    found = order[..., ::-1][..., : step.k].astype(np.int64)
    tensors[step.indices] = found
    tensors[step.values] = np.take_along_axis(given, found, axis=-1)


def _rows_of(tensors: dict[str, Array], name: str) -> Array:
    found = tensors[name]
    if found.ndim < 2 or not found.shape[-1]:
        raise PlimsollError(f"the model gave {name!r} with the shape {list(found.shape)}")
    return found
