"""Permutation importance: how much worse the model gets when one feature is shuffled among rows.

L. Breiman, "Random Forests", Machine Learning 45, 2001, section 10; A. Fisher, C. Rudin and
F. Dominici, "All Models are Wrong, but Many are Useful", JMLR 20(177), 2019, for any model. It is
about all rows together, not about one of them.
"""

from collections.abc import Callable

import numpy as np

from registry.core.explaining.terms import Array, Attribution, Rows

# The loss of each row, of (rows, outputs) and the rows' numbers.
Loss = Callable[[Array, Array], Array]


class Permutation:
    """See `terms.Method`, but that it is told whole outputs (rows, outputs).

    A value is the mean rise of the loss over `repeats` shuffles; its error is that of the mean.
    `base` is the loss unshuffled, and so is `score`.
    """

    def __init__(
        self, rows: int, features: int, repeats: int, loss: Loss, random: np.random.Generator
    ) -> None:
        self._count, self._features, self._repeats, self._loss = rows, features, repeats, loss
        self._donors = np.array([random.permutation(rows) for _ in range(repeats * features)])
        self._wanted = rows * (1 + repeats * features)
        self._losses = np.zeros(self._wanted)
        self._asked = 0

    def wanted(self, most: int) -> Rows | None:
        """See `Method`: all rows as they are, then each feature's shuffles, repeat by repeat."""
        start = self._asked
        at = np.arange(start, min(start + most, self._wanted))
        if not len(at):
            return None
        subjects, shuffle = at % self._count, at // self._count - 1
        donors = np.where(shuffle < 0, subjects, self._donors[np.maximum(shuffle, 0), subjects])
        feature = np.where(shuffle < 0, -1, shuffle % self._features)
        present = feature[:, None] != np.arange(self._features)
        return Rows(present, subjects, donors)

    def told(self, scores: Array) -> None:
        """See `Method`; (rows, outputs)."""
        start, end = self._asked, self._asked + len(scores)
        self._losses[start:end] = self._loss(scores, np.arange(start, end) % self._count)
        self._asked = end

    def found(self) -> Attribution | None:
        """See `Method`. Of features that were shuffled once there is no error yet."""
        whole = self._asked // self._count
        if whole < 2:
            return None
        means = self._losses[: whole * self._count].reshape(whole, self._count).mean(axis=1)
        rises = np.full((self._repeats, self._features), np.nan)
        rises.reshape(-1)[: whole - 1] = means[1:] - means[0]
        seen = (~np.isnan(rises)).sum(axis=0)
        values = np.where(seen > 0, np.nansum(rises, axis=0) / np.maximum(seen, 1), np.nan)
        spread = np.nansum((rises - values) ** 2, axis=0) / np.maximum(seen - 1, 1)
        errors = np.where(seen > 1, np.sqrt(spread / np.maximum(seen, 1)), np.nan)
        base = float(means[0])
        is_finished = self._asked == self._wanted
        return Attribution(values, errors, base, base, np.nan, self._asked, is_finished)
