"""The terms between a method that needs gradients and whoever computes them for it.

A method says at which points it wants the score's gradient, is told scores and gradients, and has
an answer at any time, as in `terms`. A point is one row: the elements of all floating inputs, one
after another.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from registry.core.explaining.terms import Array, Attribution


class GradientMethod(Protocol):
    """One explanation in the making."""

    def wanted(self, most: int) -> Array | None:
        """The next points, (rows, elements), at most `most`; None where there are no more."""

    def told(self, scores: Array, gradients: Array) -> None:
        """(rows,) and (rows, elements) of the points that were last wanted, in their order."""

    def found(self) -> Attribution | None:
        """The best answer so far; None where what was told is too little for one."""


@dataclass(frozen=True, slots=True)
class Joint:
    """Which feature each element belongs to, 0 to `count` - 1, in the order of a point."""

    numbers: Array
    count: int

    def summed(self, elements: Array) -> Array:
        """(..., features) of (..., elements): what joined elements do together is their sum."""
        if self.count == len(self.numbers) and (self.numbers == np.arange(self.count)).all():
            return elements
        rows = elements.reshape(-1, len(self.numbers))
        found = [np.bincount(self.numbers, row, self.count) for row in rows]
        return np.array(found).reshape(*elements.shape[:-1], self.count)
