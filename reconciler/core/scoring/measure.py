"""A metric that is prepared, and how sure it is: intervals. Pure, and the same at every run."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np

from reconciler.core.scoring.answers import Floats

# The value under weights of the samples, of which some are above 0; NaN where it is undefined.
Measure: TypeAlias = Callable[[Floats], float]

_ROUNDS = 1000
_LEAST_DEFINED = 0.9


def UNDEFINED(_: Floats) -> float:  # noqa: N802  a constant that is a function
    """The measure of what cannot be measured here."""
    return float("nan")


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the value lies with `confidence`."""

    low: float
    high: float
    confidence: float


def wilson(share: float, samples: float, confidence: float) -> Interval:
    """Of a share of 1 among `samples` (Wilson 1927)."""
    if not samples:
        return Interval(0.0, 1.0, confidence)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = share + z * z / (2 * samples)
    spread = z * (share * (1 - share) / samples + z * z / (4 * samples * samples)) ** 0.5
    below = 1 + z * z / samples
    return Interval((middle - spread) / below, (middle + spread) / below, confidence)


def bootstrap(measure: Measure, weights: Floats, confidence: float) -> Interval | None:
    """By percentiles of 1000 resamples of those with a weight (Efron 1979), always the same.

    None where more than a tenth of the resamples leave it undefined.
    """
    among = np.flatnonzero(weights)
    drawn = np.random.default_rng(0)
    found = np.empty(_ROUNDS)
    for turn in range(_ROUNDS):
        picked = among[drawn.integers(0, len(among), len(among))]
        found[turn] = measure(np.bincount(picked, minlength=len(weights)).astype(np.float64))
    found = found[np.isfinite(found)]
    if len(found) < _LEAST_DEFINED * _ROUNDS:
        return None
    low, high = np.quantile(found, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(low), float(high), confidence)
