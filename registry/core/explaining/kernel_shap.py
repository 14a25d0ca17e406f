"""KernelSHAP: Shapley values of the features, by a weighted regression on coalitions of them.

S. M. Lundberg and S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017,
theorem 2. Where there is room for all coalitions they are all asked, and the values are exact; else
coalitions are drawn by the kernel, each with its complement, after I. Covert and S.-I. Lee,
"Improving KernelSHAP", AISTATS 2021. The sum of the values is score - base always: the regression
is under that constraint.
"""

import math

import numpy as np

from registry.core.explaining import jackknife
from registry.core.explaining.terms import Array, Attribution, Rows

# So many coalitions are drawn at a time whatever is asked at a time: the draws of one seed are the
# same for every size of batch.
_DRAWN = 64


class KernelShap:
    """See `terms.Method`; `samples` coalitions besides the empty and the whole one."""

    def __init__(self, features: int, samples: int, random: np.random.Generator) -> None:
        self._features = features
        self._random = random
        self.is_exact = features <= 30 and 2**features - 2 <= samples
        self._wanted = 2**features - 2 if self.is_exact else max(samples - samples % 2, 2)
        if features == 1:
            self._wanted = 0
        self._rows = np.zeros((self._wanted + 2, features), bool)
        self._rows[0] = True
        self._scores = np.zeros(len(self._rows))
        self._made, self._asked = 2, 0
        if self.is_exact:
            self._rows[2:], self._made = self._all(), len(self._rows)

    def wanted(self, most: int) -> Rows | None:
        """See `Method`."""
        start, end = self._asked, min(self._asked + most, len(self._rows))
        while self._made < end:
            drawn = self._drawn()[: len(self._rows) - self._made]
            self._rows[self._made : self._made + len(drawn)] = drawn
            self._made += len(drawn)
        nobody = np.zeros(end - start, np.intp)
        return Rows(self._rows[start:end], nobody, nobody) if end > start else None

    def told(self, scores: Array) -> None:
        """See `Method`."""
        self._scores[self._asked : self._asked + len(scores)] = scores
        self._asked += len(scores)

    def found(self) -> Attribution | None:
        """See `Method`. Coalitions whose complement was not asked yet are left out."""
        asked = self._asked
        is_finished = asked == len(self._rows)
        if asked < 2 or (self.is_exact and not is_finished):
            return None
        score, base = float(self._scores[0]), float(self._scores[1])
        pairs = (asked - 2) // 2
        rows, scores = self._rows[2 : 2 + 2 * pairs], self._scores[2 : 2 + 2 * pairs] - base
        weights = self._weights(rows)
        made = _fitted(rows, scores, weights, score - base)
        if made is None:
            return None
        values, errors = made
        if self.is_exact:
            errors = np.zeros(self._features)
        fidelity = explained(scores, rows @ values, weights)
        return Attribution(values, errors, base, score, fidelity, asked, is_finished)

    def _all(self) -> Array:
        """Every coalition but the two that are there, each followed by its complement."""
        half = np.arange(1, 2 ** (self._features - 1))[:, None]
        bits = (half >> np.arange(self._features)) & 1 == 1
        return np.stack([bits, ~bits], axis=1).reshape(-1, self._features)

    def _drawn(self) -> Array:
        sizes = np.arange(1, self._features)
        chances = 1 / (sizes * (self._features - sizes))
        drawn = self._random.choice(sizes, _DRAWN // 2, p=chances / chances.sum())
        order = self._random.random((len(drawn), self._features)).argsort(axis=1).argsort(axis=1)
        members = order < drawn[:, None]
        return np.asarray(np.stack([members, ~members], axis=1).reshape(-1, self._features))

    def _weights(self, rows: Array) -> Array:
        """Drawn coalitions are weighted by having been drawn."""
        if not self.is_exact:
            return np.ones(len(rows))
        count, sizes = self._features, rows.sum(axis=1)
        each = [(count - 1) / (math.comb(count, size) * size * (count - size))
                for size in range(1, count)]  # fmt: skip
        return np.asarray(np.array([0.0, *each])[sizes])


def _fitted(rows: Array, scores: Array, weights: Array, total: float) -> tuple[Array, Array] | None:
    """The values that fit best among those whose sum is `total`, and their standard errors; None
    where many fit alike. A coalition and its complement are one draw."""
    if rows.shape[1] == 1:
        return np.array([total]), np.zeros(1)

    def solve(gram: Array, moment: Array) -> Array | None:
        if not _is_definite(gram):
            return None
        values = np.linalg.solve(gram, moment)
        return np.append(values, total - values.sum())

    # The last feature is what the others leave of the total.
    last = rows[:, -1].astype(np.float64)
    given = rows[:, :-1] - last[:, None]
    group = np.arange(len(rows)) // 2 % jackknife.GROUPS
    return jackknife.fitted(given, scores - last * total, weights, group, solve)


def _is_definite(gram: Array) -> bool:
    try:
        found = np.diagonal(np.linalg.cholesky(gram))
    except np.linalg.LinAlgError:
        return False
    return bool(found.min() > 1e-6 * found.max())


def explained(scores: Array, fitted: Array, weights: Array) -> float:
    """Weighted R² of `fitted`; NaN where all scores are alike."""
    if not len(scores):
        return math.nan
    mean = np.average(scores, weights=weights)
    varies = np.average((scores - mean) ** 2, weights=weights)
    if varies < 1e-24 * max(1.0, float(np.abs(scores).max()) ** 2):
        return math.nan
    return float(1 - np.average((scores - fitted) ** 2, weights=weights) / varies)
