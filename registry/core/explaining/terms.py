"""The terms between a method and whoever asks the model for it.

A method never sees a model. It says which rows it wants asked, is told their scores, and has at any
time the best answer so far: so whoever drives it may stop at a deadline, and ask rows in batches of
any size without another answer.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to ask, one for each line of `present` (rows, features; bool): what is present is taken
    from the instance `subjects[row]`, the rest from the instance or background row `donors[row]`.
    """

    present: Array
    subjects: Array
    donors: Array

    def __len__(self) -> int:
        return len(self.present)


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each feature did to the score, in the score's own unit.

    `values` and `errors` (standard errors, NaN where there is no estimate of them) have one number
    a feature. `base` is the score of the baseline and `score` that of the instance. `fidelity` is
    the share of the score's variance that an additive model of these values explains among the
    rows that were asked (R², weighted as the method weighs them); NaN for methods that fit none.
    `samples` rows were asked, and `is_finished` says whether those were all that were wanted.
    """

    values: Array
    errors: Array
    base: float
    score: float
    fidelity: float
    samples: int
    is_finished: bool

    @property
    def gap(self) -> float:
        """What the values leave unexplained: score - base - their sum. A method is complete
        (Sundararajan et al. 2017; efficient, in Shapley's words) where this is 0."""
        return float(self.score - self.base - self.values.sum())


class Method(Protocol):
    """One explanation in the making."""

    def wanted(self, most: int) -> Rows | None:
        """The next rows to ask, at most `most` of them; None where there are no more."""

    def told(self, scores: Array) -> None:
        """The scores of the rows that were last wanted, in their order; float64."""

    def found(self) -> Attribution | None:
        """The best answer so far; None where what was told is too little for one."""


def unknown(features: int) -> Array:
    """Errors of which nothing is known."""
    return np.full(features, np.nan)
