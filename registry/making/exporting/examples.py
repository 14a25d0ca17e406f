"""Inputs to compare models on: golden ones, which the trainer gave, and seeded ones, made up.

Made-up numbers follow the golden ones where there are any: floats have each feature's mean and
spread, whole numbers and text are drawn from the values that occur. So an index stays in its
table and a picture in its range of brightness.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from registry import errors
from registry.core.tensors import Signature, Tensor
from registry.making.exporting.report import Array, Arrays

SEED = 20_261_129
ROWS = 16
_FREE = 8
_MOST = 1 << 24


def named(example: object, names: Sequence[str]) -> Arrays:
    """An example as arrays by input: from a mapping, from a list in the inputs' order, or from
    the one array there is. Raises InvalidInput."""
    if isinstance(example, Mapping):
        given = {str(name): array(value) for name, value in example.items()}
        if set(given) != set(names):
            raise errors.InvalidInput(
                f"the example has {', '.join(sorted(given))}; the model takes {', '.join(names)}",
                fix="give one array for each input, under its name",
            )
        return {name: given[name] for name in names}
    values = list(example) if isinstance(example, tuple | list) else [example]
    if len(values) != len(names):
        raise errors.InvalidInput(
            f"the example has {len(values)} arrays; the model takes {', '.join(names)}",
            fix="give one array for each input, in that order, or a mapping by name",
        )
    return {name: array(value) for name, value in zip(names, values, strict=True)}


def array(value: object) -> Array:
    """numpy's array of whatever the framework calls one; raises InvalidInput."""
    loose: Any = value
    if hasattr(loose, "detach"):
        loose = loose.detach().cpu()
    if hasattr(loose, "numpy"):
        loose = loose.numpy()
    found = np.asarray(loose)
    if found.ndim == 0:
        raise errors.InvalidInput(
            "an example is a batch: its first axis counts samples", fix="give an array of samples"
        )
    return found


def rows(inputs: Arrays) -> int:
    """How many samples; raises InvalidInput where the inputs do not agree."""
    counts = {value.shape[0] for value in inputs.values()}
    if len(counts) != 1 or not min(counts):
        raise errors.InvalidInput(
            "the inputs of the example do not have the same number of samples, at least one",
            fix="give every input one row for each sample",
        )
    return int(counts.pop())


def repeated(inputs: Arrays, least: int) -> Arrays:
    """At least so many rows, by repeating: tracers take an axis of one for a constant."""
    times = -(-least // rows(inputs))
    return {
        name: np.concatenate([value] * times) if times > 1 else value
        for name, value in inputs.items()
    }


def seeded(signature: Signature, golden: Arrays | None) -> Arrays:
    """Sixteen samples, or as many as the model's fixed first axis has; always the same ones."""
    random = np.random.default_rng(SEED)
    made: Arrays = {}
    for tensor in signature.inputs:
        if golden is not None:
            count = _first(tensor, ROWS)
            made[tensor.name] = _alike(golden[tensor.name], count, random)
        else:
            made[tensor.name] = _made_up(tensor, random)
    return made


def _first(tensor: Tensor, free: int) -> int:
    size = tensor.shape[0] if tensor.shape else None
    return free if size is None else size


def _alike(golden: Array, count: int, random: np.random.Generator) -> Array:
    picked = golden[random.integers(0, len(golden), count)]
    if golden.dtype.kind != "f":
        shape = (count, *golden.shape[1:])
        return random.choice(golden.ravel(), size=shape).astype(golden.dtype)
    middle, spread = golden.mean(axis=0), golden.std(axis=0)
    if not np.any(spread):
        spread = np.abs(middle) * 0.1 + 0.01
    noise = random.standard_normal(picked.shape)
    low, high = golden.min(), golden.max()
    lively = middle + spread * noise
    # A picture's brightness has ends; a single sample tells of none.
    found: Array = np.clip(lively, low, high) if low < high else lively
    return found.astype(golden.dtype)


def _made_up(tensor: Tensor, random: np.random.Generator) -> Array:
    if tensor.shape is None or tensor.dtype in {"string", "unknown", "bfloat16"}:
        raise errors.InvalidInput(
            f"input {tensor.name!r} is {tensor.dtype} of shape {tensor.shape}: nothing can be made "
            "up for it",
            fix="give an example",
        )
    free = (ROWS, *[_FREE] * (len(tensor.shape) - 1))
    shape = [
        other if size is None else size for size, other in zip(tensor.shape, free, strict=True)
    ]
    if np.prod([float(size) for size in shape]) > _MOST:
        raise errors.InvalidInput(
            f"input {tensor.name!r} is too large to be made up", fix="give an example"
        )
    if tensor.dtype.startswith("float"):
        return random.standard_normal(shape).astype(tensor.dtype)
    return random.integers(0, 2, shape).astype(tensor.dtype)
