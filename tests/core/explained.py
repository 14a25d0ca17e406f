"""Functions to be explained, and their Shapley values by the definition, subset by subset."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from registry.core.explaining.terms import Array, Attribution, Method

Score = Callable[[Array], Array]


def interacting(rows: Array) -> Array:
    """Six numbers with products, a threshold and a square between them; not additive."""
    a, b, c, d, e, f = rows.T[:6]
    return np.asarray(2 * a + b * c - 3 * a * d + np.where(e > 0.5, f, -f) + c**2)


def driven(
    method: Method, score: Score, instance: Array, background: Array, *, most: int = 37
) -> Attribution:
    """The method's answer, asked in slices of at most `most` rows; absent is the mean over all
    background rows."""
    while (rows := method.wanted(most)) is not None:
        asked = np.where(rows.present[:, None, :], instance, background[None, :, :])
        scores = score(asked.reshape(-1, asked.shape[-1])).reshape(len(rows), -1)
        method.told(scores.mean(axis=1))
    found = method.found()
    assert found is not None
    return found


def shapley(score: Score, instance: Array, background: Array) -> Array:
    """L. S. Shapley, "A Value for n-Person Games", 1953, over every subset of the others."""
    count = len(instance)

    def worth(members: tuple[int, ...]) -> float:
        rows = background.copy()
        rows[:, list(members)] = instance[list(members)]
        return float(score(rows).mean())

    values = np.zeros(count)
    for feature in range(count):
        others = [one for one in range(count) if one != feature]
        for size in range(count):
            chance = math.factorial(size) * math.factorial(count - size - 1)
            for members in itertools.combinations(others, size):
                gained = worth((*members, feature)) - worth(members)
                values[feature] += chance / math.factorial(count) * gained
    return values
