"""What is done to a leaked copy without training: other weights of the same shapes.

Pure functions of the weights and of a seed. Only what can carry a mark is attacked: arrays of two
or more axes.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from bench.watermark.tasks import Array

Weights = dict[str, Array]
Attack = Callable[[Weights], Weights]
_BLOCK = 32


def on_each(change: Callable[[Array, np.random.Generator], Array], weights: Weights) -> Weights:
    """`change` on each array that can carry a mark."""
    random = np.random.default_rng(5)
    return {
        name: change(values, random).astype(np.float32) if values.ndim >= 2 else values
        for name, values in weights.items()
    }


def half(values: Array, _random: np.random.Generator) -> Array:
    """Kept in float16."""
    return values.astype(np.float16)


def brain(values: Array, _random: np.random.Generator) -> Array:
    """Kept in bfloat16: the upper half of a float32, rounded to even."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return (rounded & 0xFFFF0000).astype(np.uint32).view(np.float32).reshape(values.shape)


def int4(values: Array, _random: np.random.Generator) -> Array:
    """Rounded to 15 levels, a scale for each 32 inputs of an output."""
    flat = values.reshape(-1, values.shape[-1]).T
    padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % _BLOCK)))
    blocks = padded.reshape(len(flat), -1, _BLOCK)
    scale = np.abs(blocks).max(axis=2, keepdims=True) / 7
    rounded = np.round(blocks / np.where(scale, scale, 1)) * scale
    return rounded.reshape(len(flat), -1)[:, : flat.shape[1]].T.reshape(values.shape)


def pruned(values: Array, _random: np.random.Generator, *, share: float) -> Array:
    """The smallest `share` of the array set to zero."""
    limit = np.quantile(np.abs(values), share)
    return np.where(np.abs(values) < limit, 0, values)


def noisy(values: Array, random: np.random.Generator, *, sigma: float) -> Array:
    """Gaussian noise of `sigma` standard deviations of the array."""
    return values + sigma * values.std() * random.standard_normal(values.shape, np.float32)


ATTACKS: Mapping[str, Attack] = {
    "none": dict,
    "float16": partial(on_each, half),
    "bfloat16": partial(on_each, brain),
    "int4, blocks of 32": partial(on_each, int4),
    "pruned 50 %": partial(on_each, partial(pruned, share=0.5)),
    "pruned 90 %": partial(on_each, partial(pruned, share=0.9)),
    "noise 0.1 σ": partial(on_each, partial(noisy, sigma=0.1)),
    "noise 0.25 σ": partial(on_each, partial(noisy, sigma=0.25)),
    "noise 0.5 σ": partial(on_each, partial(noisy, sigma=0.5)),
}
