"""How far counts in fixed bins are from a reference's: PSI, Kolmogorov-Smirnov, chi-squared. Pure.

Both sides are samples, and so is the reference: its own size is part of every p-value.
"""

import itertools
import math
from collections.abc import Sequence

# Half an observation more in each bin: an empty one is no infinite drift (Jeffreys' prior).
_SMOOTHING = 0.5
# Cochran (1954): below this the chi-squared distribution is no good approximation.
_LEAST_EXPECTED = 5.0
_MOST_TERMS = 1000
_ENOUGH = 1e-14


def psi(seen: Sequence[float], reference: Sequence[float]) -> float:
    """The population stability index, 0 where both are the same. Without any drift it is about
    (bins - 1) * (1/n + 1/m) on average (Yurdakul and Naranjo 2020)."""
    n, m = sum(seen), sum(reference)
    more = _SMOOTHING * len(seen)
    found = 0.0
    for one, other in zip(seen, reference, strict=True):
        share, usual = (one + _SMOOTHING) / (n + more), (other + _SMOOTHING) / (m + more)
        found += (share - usual) * math.log(share / usual)
    return found


def ks(seen: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """The largest distance of the two distribution functions at the bins' bounds, and its p-value
    by Kolmogorov's distribution with Stephens' correction (1970). Bins hide a part of the
    distance, so there are fewer false alarms than the p-value says, never more."""
    n, m = sum(seen), sum(reference)
    distance = mine = theirs = 0.0
    for one, other in zip(seen, reference, strict=True):
        mine, theirs = mine + one / n, theirs + other / m
        distance = max(distance, abs(mine - theirs))
    size = math.sqrt(n * m / (n + m))
    return distance, _kolmogorov((size + 0.12 + 0.11 / size) * distance)


def chi2(seen: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """Cramér's V, 0 to 1, and the p-value of Pearson's test that both samples are of one
    distribution. Bins where fewer than 5 are expected are counted as one."""
    n, m = sum(seen), sum(reference)
    cells = _pooled(list(zip(seen, reference, strict=True)), n, m)
    statistic = 0.0
    for cell in cells:
        for count, size in zip(cell, (n, m), strict=True):
            expected = sum(cell) * size / (n + m)
            statistic += (count - expected) ** 2 / expected
    if len(cells) < 2:
        return 0.0, 1.0
    return math.sqrt(statistic / (n + m)), chi2_survival(statistic, len(cells) - 1)


def chi2_survival(statistic: float, freedom: int) -> float:
    """The probability that chi-squared with so many degrees of freedom is above `statistic`: the
    regularised upper incomplete gamma function (Press et al., Numerical Recipes, 6.2)."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return max(0.0, 1.0 - scale * _series(a, x))
    return scale * _fraction(a, x)


def _pooled(cells: list[tuple[float, float]], n: float, m: float) -> list[tuple[float, float]]:
    """Smallest first into one, until as many are expected there as there must be."""
    smaller = min(n, m) / (n + m)
    rising = sorted((cell for cell in cells if sum(cell)), key=sum)
    pool = (0.0, 0.0)
    while rising and (
        sum(rising[0]) * smaller < _LEAST_EXPECTED or 0 < sum(pool) * smaller < _LEAST_EXPECTED
    ):
        mine, theirs = rising.pop(0)
        pool = pool[0] + mine, pool[1] + theirs
    return [*rising, pool] if sum(pool) else rising


def _kolmogorov(x: float) -> float:
    """1 minus Kolmogorov's distribution function."""
    if x < 0.2:  # it is 1 to ten places, and the series converges late
        return 1.0
    signs = itertools.cycle((1.0, -1.0))
    terms = (next(signs) * math.exp(-2 * k * k * x * x) for k in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for k in range(1, _MOST_TERMS):
        term *= x / (a + k)
        total += term
        if term < total * _ENOUGH:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """Lentz's continued fraction."""
    tiny = 1e-300
    b = x + 1 - a
    c, d = 1 / tiny, 1 / b
    found = d
    for k in range(1, _MOST_TERMS):
        step = -k * (k - a)
        b += 2
        d = 1 / _away(step * d + b, tiny)
        c = _away(b + step / c, tiny)
        found *= d * c
        if abs(d * c - 1) < _ENOUGH:
            break
    return found


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
