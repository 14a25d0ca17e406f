"""What several hosts can make of their copies of one version, having seen where they differ."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.watermark import attacks
from bench.watermark.tasks import Array

Weights = dict[str, Array]
Collude = Callable[[Array, np.random.Generator], Array]


def together(copies: Sequence[Weights], how: Collude, *, seed: int) -> Weights:
    """One set of weights made of all copies."""
    random = np.random.default_rng(seed)
    return {
        name: how(np.stack([copy[name] for copy in copies]), random).astype(np.float32)
        for name in copies[0]
    }


def _average(copies: Array, _random: np.random.Generator) -> Array:
    return copies.mean(axis=0)


def _median(copies: Array, _random: np.random.Generator) -> Array:
    return np.median(copies, axis=0)


def _extreme(copies: Array, random: np.random.Generator) -> Array:
    """The smallest or the largest, by the throw of a coin for each weight."""
    coins = random.random(copies.shape[1:]) < 0.5
    return np.where(coins, copies.min(axis=0), copies.max(axis=0))


def _middle(copies: Array, _random: np.random.Generator) -> Array:
    return (copies.min(axis=0) + copies.max(axis=0)) / 2


def _hidden(copies: Array, random: np.random.Generator) -> Array:
    average = _average(copies, random)
    if average.ndim < 2:
        return average
    return attacks.pruned(attacks.noisy(average, random, sigma=0.1), random, share=0.5)


COLLUSIONS: Mapping[str, Collude] = {
    "average": _average,
    "median": _median,
    "min or max by coin": _extreme,
    "(min + max) / 2": _middle,
    "average, noise 0.1 σ, pruned 50 %": _hidden,
}
