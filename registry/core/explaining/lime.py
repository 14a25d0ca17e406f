"""LIME: a linear model of the score around one instance, its coefficients the values.

M. T. Ribeiro, S. Singh and C. Guestrin, "'Why Should I Trust You?'", KDD 2016: features present or
absent by a coin, rows weighted by their likeness to the instance (an exponential kernel over the
cosine distance, width 0.25), ridge regression (alpha 1) with an intercept: the choices of the
authors' library for pictures and texts. The intercept takes what is left, so it is not complete.
"""

import numpy as np

from registry.core.explaining import jackknife
from registry.core.explaining.kernel_shap import explained
from registry.core.explaining.terms import Array, Attribution, Rows

WIDTH = 0.25
ALPHA = 1.0
_DRAWN = 64


class Lime:
    """See `terms.Method`; `samples` rows around the instance, which is the first of them."""

    def __init__(self, features: int, samples: int, random: np.random.Generator) -> None:
        self._features, self._random = features, random
        self._rows = np.zeros((samples + 1, features), bool)
        self._rows[1] = True
        self._scores = np.zeros(len(self._rows))
        self._made, self._asked = 2, 0

    def wanted(self, most: int) -> Rows | None:
        """See `Method`."""
        start, end = self._asked, min(self._asked + most, len(self._rows))
        while self._made < end:
            drawn = self._random.random((_DRAWN, self._features)) < 0.5
            drawn = drawn[: len(self._rows) - self._made]
            self._rows[self._made : self._made + len(drawn)] = drawn
            self._made += len(drawn)
        nobody = np.zeros(end - start, np.intp)
        return Rows(self._rows[start:end], nobody, nobody) if end > start else None

    def told(self, scores: Array) -> None:
        """See `Method`."""
        self._scores[self._asked : self._asked + len(scores)] = scores
        self._asked += len(scores)

    def found(self) -> Attribution | None:
        """See `Method`."""
        rows, scores = self._rows[1 : self._asked], self._scores[1 : self._asked]
        if len(rows) < 3:
            return None
        weights = likeness(rows)
        (values, errors), intercept = fitted(rows, scores, weights)
        fidelity = explained(scores, rows @ values + intercept, weights)
        is_finished = self._asked == len(self._rows)
        return Attribution(values, errors, float(self._scores[0]), float(scores[0]), fidelity,
                           self._asked, is_finished)  # fmt: skip


def likeness(rows: Array) -> Array:
    """The weight of each row: sqrt(exp(-d² / width²)), d the cosine distance to all present."""
    count = rows.sum(axis=1)
    cosine = np.sqrt(count / rows.shape[1])
    return np.asarray(np.sqrt(np.exp(-((1 - cosine) ** 2) / WIDTH**2)))


def fitted(rows: Array, scores: Array, weights: Array) -> tuple[tuple[Array, Array], float]:
    """Coefficients with their standard errors, and the intercept, of the weighted ridge regression;
    the intercept is not shrunk."""
    count = rows.shape[1]
    shrunk = ALPHA * np.diag([*np.ones(count), 0.0])

    def solve(gram: Array, moment: Array) -> Array:
        return np.asarray(np.linalg.solve(gram + shrunk, moment))

    given = np.column_stack([rows, np.ones(len(rows))])
    group = np.arange(len(rows)) % jackknife.GROUPS
    found = jackknife.fitted(given, scores, weights, group, solve)
    values, errors = found if found is not None else (np.zeros(count + 1), np.zeros(count + 1))
    return (values[:-1], errors[:-1]), float(values[-1])
