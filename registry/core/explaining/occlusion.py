"""Occlusion: how the score changes when one feature alone is taken away.

M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
section 4.2, on features instead of a sliding square. Exact in features + 2 rows, and not complete:
what features do together is counted by each or by none.
"""

import numpy as np

from registry.core.explaining.terms import Array, Attribution, Rows


class Occlusion:
    """See `terms.Method`. The value of a feature is the score minus the score without it."""

    def __init__(self, features: int) -> None:
        self._features = features
        # All, nothing, then all but one.
        self._rows = np.ones((features + 2, features), bool)
        self._rows[1] = False
        np.fill_diagonal(self._rows[2:], val=False)
        self._scores: list[float] = []

    def wanted(self, most: int) -> Rows | None:
        """See `Method`."""
        start = len(self._scores)
        found = self._rows[start : start + most]
        nobody = np.zeros(len(found), np.intp)
        return Rows(found, nobody, nobody) if len(found) else None

    def told(self, scores: Array) -> None:
        """See `Method`."""
        self._scores.extend(float(one) for one in scores)

    def found(self) -> Attribution | None:
        """See `Method`; features that were not come to are NaN."""
        if len(self._scores) < 3:
            return None
        score, base, *without = self._scores
        values = np.full(self._features, np.nan)
        values[: len(without)] = score - np.array(without)
        is_finished = len(self._scores) == len(self._rows)
        errors = np.where(np.isnan(values), np.nan, 0.0)
        return Attribution(values, errors, base, score, np.nan, len(self._scores), is_finished)
