"""Integrated gradients: the gradient along the straight way from the baseline, summed up.

M. Sundararajan, A. Taly and Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, equation
1. The integral is by Gauss-Legendre quadrature. What it misses is told, as the completeness gap:
for the integral itself the values add up to score - base. Over several baselines it is the mean,
the expected gradients of G. Erion et al., Nature Machine Intelligence 3, 2021, with each asked.
"""

import functools

import numpy as np

from registry.core.explaining.gradients import Joint
from registry.core.explaining.terms import Array, Attribution

# A first, coarse answer, for a budget that ends before the fine one.
COARSE = 8
MOST_STEPS = 512


class IntegratedGradients:
    """See `gradients.GradientMethod`; `instance` (elements,), `background` (rows, elements)."""

    def __init__(self, instance: Array, background: Array, joint: Joint, steps: int) -> None:
        self._instance = np.asarray(instance, np.float64)
        self._background = np.asarray(background, np.float64)
        self._joint = joint
        donors = len(background)
        levels = (COARSE, steps) if steps > 2 * COARSE else (steps,)
        # The instance, every baseline; then each level's points, baseline by baseline.
        fractions, weights = [np.ones(1), np.zeros(donors)], [np.zeros(1 + donors)]
        owners = [np.zeros(1, np.intp), np.arange(donors)]
        self._ends = [1 + donors]
        for level in levels:
            nodes, shares = quadrature(level)
            fractions.append(np.tile(nodes, donors))
            weights.append(np.tile(shares / donors, donors))
            owners.append(np.repeat(np.arange(donors), level))
            self._ends.append(self._ends[-1] + donors * level)
        self._fractions, self._weights = np.concatenate(fractions), np.concatenate(weights)
        self._owners = np.concatenate(owners)
        self._sums = np.zeros((len(levels), len(self._instance)))
        self._ways = np.zeros(1 + donors)
        self._asked = 0

    def wanted(self, most: int) -> Array | None:
        """See `GradientMethod`."""
        at = slice(self._asked, self._asked + most)
        fractions, start = self._fractions[at, None], self._background[self._owners[at]]
        return start + fractions * (self._instance - start) if len(fractions) else None

    def told(self, scores: Array, gradients: Array) -> None:
        """See `GradientMethod`."""
        rows = np.arange(self._asked, self._asked + len(scores))
        ends = rows < self._ends[0]
        self._ways[rows[ends]] = scores[ends]
        way = self._instance - self._background[self._owners[rows]]
        weighed = self._weights[rows, None] * way * gradients
        for level, end in enumerate(self._ends[1:]):
            inside = (rows >= self._ends[level]) & (rows < end)
            self._sums[level] += weighed[inside].sum(axis=0)
        self._asked += len(rows)

    def found(self) -> Attribution | None:
        """See `GradientMethod`: of the finest level that is done for every baseline."""
        done = [level for level, end in enumerate(self._ends[1:]) if self._asked >= end]
        if not done:
            return None
        values = self._joint.summed(self._sums[done[-1]])
        score, base = float(self._ways[0]), float(self._ways[1:].mean())
        is_finished = self._asked == self._ends[-1]
        return Attribution(values, np.zeros(len(values)), base, score, np.nan, self._asked,
                           is_finished)  # fmt: skip


@functools.lru_cache(16)
def quadrature(count: int) -> tuple[Array, Array]:
    """Points and weights on [0, 1]; exact for polynomials of degree 2 · count - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (1 + nodes) / 2, weights / 2
