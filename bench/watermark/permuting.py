"""Neurons in another order and rescaled: the network answers the same, its arrays look foreign.

A `Hidden` names every place where the neurons of one layer appear. Rectified neurons may be
multiplied by any positive number if what reads them divides by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.watermark.tasks import Array

Weights = dict[str, Array]
_HEADS = 2


@dataclass(frozen=True, slots=True)
class Place:
    """An axis of a variable along which the neurons lie, and the power of their scale there.

    `shape` splits an axis in which they are interleaved with something else.
    """

    variable: str
    axis: int
    power: int
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Hidden:
    """The neurons of one layer; with `heads`, they only change places within their head."""

    size: int
    places: Sequence[Place]
    heads: int = 1


def permuted(weights: Weights, layers: Sequence[Hidden], *, seed: int) -> Weights:
    """The same function by other arrays."""
    random, changed = np.random.default_rng(seed), dict(weights)
    for layer in layers:
        width = layer.size // layer.heads
        order = np.concatenate(
            [head * width + random.permutation(width) for head in range(layer.heads)]
        )
        scale = np.exp(0.5 * random.standard_normal(layer.size)).astype(np.float32)
        for place in layer.places:
            changed[place.variable] = _moved(changed[place.variable], place, order, scale)
    return changed


def _moved(values: Array, place: Place, order: Array, scale: Array) -> Array:
    split = values.reshape(place.shape) if place.shape else values
    along = [1] * split.ndim
    along[place.axis] = -1
    moved = split.take(order, axis=place.axis) * (scale**place.power).reshape(along)
    return moved.reshape(values.shape)


def _perceptron(sizes: Sequence[int]) -> list[Hidden]:
    layers = ["hidden_1", "hidden_2", "logits"]
    return [
        Hidden(size, [Place(f"{this}/kernel", 1, 1), Place(f"{this}/bias", 0, 1),
                      Place(f"{after}/kernel", 0, -1)])
        for size, this, after in zip(sizes, layers[:-1], layers[1:], strict=True)
    ]  # fmt: skip


def _convolutions() -> list[Hidden]:
    layers = []
    for number, size in enumerate((32, 64, 128), start=1):
        reads = (
            Place(f"conv_{number + 1}/kernel", 2, -1)
            if number < 3
            else Place("hidden/kernel", 1, -1, (16, 128, 64))
        )
        norm = [Place(f"norm_{number}/{part}", 0, 0) for part in ("moving_mean", "moving_variance")]
        scaled = [Place(f"norm_{number}/{part}", 0, 1) for part in ("gamma", "beta")]
        layers.append(
            Hidden(size, [Place(f"conv_{number}/kernel", 3, 0), *norm, *scaled, reads])
        )  # fmt: skip
    dense = [Place("hidden/kernel", 1, 1), Place("hidden/bias", 0, 1)]
    return [*layers, Hidden(64, [*dense, Place("logits/kernel", 0, -1)])]


def _encoder() -> list[Hidden]:
    layers = []
    for number in (1, 2):
        block = f"block_{number}"
        asks = [Place(f"{block}_query/kernel", 1, 1), Place(f"{block}_query/bias", 0, 1)]
        keys = [Place(f"{block}_key/kernel", 1, -1), Place(f"{block}_key/bias", 0, -1)]
        values = [Place(f"{block}_value/kernel", 1, 1), Place(f"{block}_value/bias", 0, 1)]
        up = [Place(f"{block}_up/kernel", 1, 1), Place(f"{block}_up/bias", 0, 1)]
        layers += [
            Hidden(128, [*asks, *keys], _HEADS),
            Hidden(128, [*values, Place(f"{block}_out/kernel", 0, -1)], _HEADS),
            Hidden(512, [*up, Place(f"{block}_down/kernel", 0, -1)]),
        ]
    return layers


HIDDEN: Mapping[str, Sequence[Hidden]] = {
    "MLP": _perceptron((1024, 512)),
    "CNN": _convolutions(),
    "transformer": _encoder(),
}


def turned(weights: Weights, *, seed: int) -> Weights:
    """The transformer with the axes of its residual stream in another order, everywhere."""
    order = np.random.default_rng(seed).permutation(128)
    changed = dict(weights)
    for name, values in weights.items():
        for axis in _stream(name):
            changed[name] = values.take(order, axis=axis)
    return changed


def _stream(name: str) -> list[int]:
    layer, part = name.split("/")
    if part == "embeddings":
        return [1]
    if "norm" in layer:
        return [0]
    if layer.endswith(("_out", "_down")):
        return [1] if part == "kernel" else [0]
    return [0] if part == "kernel" else []
