"""Metrics of numbers. `docs/acceptance.md` names scikit-learn's function for each. Pure."""

import math

from reconciler.core.scoring.answers import Floats, Numbers
from reconciler.core.scoring.measure import Measure


def rmse(answers: Numbers) -> Measure:
    """`root_mean_squared_error`."""
    squares = (answers.right - answers.given) ** 2
    return lambda weights: math.sqrt(float(squares @ weights / weights.sum()))


def mae(answers: Numbers) -> Measure:
    """`mean_absolute_error`."""
    distances = abs(answers.right - answers.given)
    return lambda weights: float(distances @ weights / weights.sum())


def r2(answers: Numbers) -> Measure:
    """`r2_score`: where all labels are the same, 1 without any error, else 0."""
    right, squares = answers.right, (answers.right - answers.given) ** 2

    def measure(weights: Floats) -> float:
        if (weights > 0).sum() < 2:
            return float("nan")
        middle = right @ weights / weights.sum()
        left, whole = float(squares @ weights), float((right - middle) ** 2 @ weights)
        if whole == 0.0:
            return 1.0 if left == 0.0 else 0.0
        return 1 - left / whole

    return measure
