"""What a score proves: bounds that hold exactly, for any weights, and for many scores at once.

With y fixed, U = Σ x·y of independent x of mean zero, each with E exp(t·x) ≤ exp(t²·v/2), has
P(U ≥ u·√Σv·y²) ≤ exp(−u²/2) (Chernoff). For a chip less its mean the least v is Kearns and Saul's
(UAI 1998); for the bias 2p − 1, which is random to whoever has not the key, it is found below. No
distribution of the weights is assumed.
"""

import math

import numpy as np
from numpy.typing import NDArray

from registry.core.watermark import embedding

# All scores of a detection together name anybody wrongly at most this often.
FAMILY_LOG10 = -6.0


def log10_bound(u: float) -> float:
    """Of the chance of a score of `u` or more where there is no mark; 0 says nothing."""
    return -(max(u, 0.0) ** 2) / 2 / math.log(10)


def threshold(count: int) -> float:
    """The `u` at which the bound, times `count`, is the family-wise level."""
    return math.sqrt(2 * (math.log(max(count, 1)) - FAMILY_LOG10 * math.log(10)))


def corrected(log10_p: float, count: int) -> float:
    """Bonferroni's bound over `count` comparisons: valid however they depend on each other."""
    return min(0.0, log10_p + math.log10(max(count, 1)))


def _chip_proxy(limit: int) -> float:
    """The v of a chip that is +1 with p = limit/256, less its mean."""
    p = limit / 256
    if p in {0.0, 1.0}:
        return 0.0
    return 1.0 if limit == 128 else 2 * (1 - 2 * p) / math.log((1 - p) / p)


def _bias_proxy() -> float:
    """The v of 2p − 1: the largest of 2·ln E exp(t·x)/t², which falls once t is above 1."""
    means = np.asarray(MEANS[np.frombuffer(embedding.THRESHOLDS, np.uint8)], np.float64)
    steps = np.geomspace(1e-2, 50, 2000)
    logs = [math.log(float(np.mean(np.cosh(step * means)))) for step in steps]
    largest = max(2 * log / step**2 for log, step in zip(logs, steps, strict=True))
    return float(max(largest, float(np.mean(means**2))) * (1 + 1e-6))


# By limit: what a chip is on average, 2p − 1; its variance; and the v of its difference from that.
MEANS: NDArray[np.float32] = ((np.arange(256) - 128) / 128).astype(np.float32)
VARIANCES: NDArray[np.float32] = (1 - np.square(MEANS)).astype(np.float32)
CHIP_PROXIES: NDArray[np.float32] = np.array(
    [_chip_proxy(limit) for limit in range(256)], np.float32
)
BIAS_VARIANCE = float(np.mean(MEANS[np.frombuffer(embedding.THRESHOLDS, np.uint8)] ** 2))
BIAS_PROXY = _bias_proxy()
