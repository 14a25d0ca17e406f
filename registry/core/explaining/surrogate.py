"""A surrogate: a small model that is fitted to what the model answers, and read in its stead.

M. W. Craven and J. W. Shavlik, "Extracting Tree-Structured Representations of Trained Networks",
NIPS 1995: the model itself is asked for the labels, and fidelity is told apart from accuracy. A
fifth of the given rows is held out. The others are what it learns from, and rows mixed of them,
feature by feature by a coin: no row that is held out has any part in those.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from registry.core.explaining import tree
from registry.core.explaining.terms import Array, Attribution, Rows

KINDS = ("tree", "linear")
# Given rows, of which two are held out.
LEAST_ROWS = 10
_SHARE = 5
# Of a feature's variance: keeps features that are copies of each other apart.
_RIDGE = 1e-8


@dataclass(frozen=True, slots=True)
class Fitted:
    """`parts` are the arrays that the small model consists of, and `weights` (features,) how much
    of it each feature is: they add up to 1."""

    parts: Mapping[str, Array]
    weights: Array
    answers: Array


class Surrogate:
    """See `terms.Method`, but that it is told whole outputs. `numbers` (rows, features) are of
    all given rows, which are subjects and donors alike; `kind` is one of KINDS."""

    def __init__(
        self, numbers: Array, kind: str, depth: int, samples: int, random: np.random.Generator
    ) -> None:
        count, features = numbers.shape
        self._numbers, self._kind, self._depth = numbers, kind, depth
        self._held = np.zeros(count, bool)
        self._held[random.permutation(count)[: max(count // _SHARE, 1)]] = True
        learnt = np.flatnonzero(~self._held)
        self._present = np.vstack([np.ones((count, features), bool),
                                   random.random((samples, features)) < 0.5])  # fmt: skip
        self._subjects = np.concatenate([np.arange(count), random.choice(learnt, samples)])
        self._donors = np.concatenate([np.arange(count), random.choice(learnt, samples)])
        self._scores: list[Array] = []
        self._asked = 0
        self.parts: Mapping[str, Array] = {}

    def wanted(self, most: int) -> Rows | None:
        """See `Method`: the given rows, then those that are mixed."""
        at = slice(self._asked, self._asked + most)
        present = self._present[at]
        return Rows(present, self._subjects[at], self._donors[at]) if len(present) else None

    def told(self, scores: Array) -> None:
        """See `Method`; (rows, outputs)."""
        self._scores.append(scores)
        self._asked += len(scores)

    def found(self) -> Attribution | None:
        """See `Method`; `parts` then has the small model and how true it is."""
        count = len(self._held)
        if self._asked < count:
            return None
        scores = np.vstack(self._scores)
        rows = np.where(self._present[: self._asked], self._numbers[self._subjects[: self._asked]],
                        self._numbers[self._donors[: self._asked]])  # fmt: skip
        learns = np.ones(self._asked, bool)
        learns[:count] = ~self._held
        fit = _tree if self._kind == "tree" else _linear
        made = fit(rows[learns], scores[learns], rows[:count][self._held], self._depth)
        truth = scores[:count][self._held]
        self.parts = {
            **made.parts,
            "agreement": np.array(agreement(truth, made.answers)),
            "held_out": np.array(len(truth)),
        }
        mean = float(scores[:count].mean())
        is_finished = self._asked == len(self._present)
        unknown = np.full(len(made.weights), np.nan)
        return Attribution(made.weights, unknown, mean, mean, explained(truth, made.answers),
                           self._asked, is_finished)  # fmt: skip


def explained(truth: Array, answers: Array) -> float:
    """R² of all outputs together; NaN where the truth does not vary."""
    around = ((truth - truth.mean(axis=0)) ** 2).sum()
    return float(1 - ((truth - answers) ** 2).sum() / around) if around > 0 else float("nan")


def agreement(truth: Array, answers: Array) -> float:
    """The share of rows with the same largest output; NaN where there is one output."""
    if truth.shape[1] == 1:
        return float("nan")
    return float((truth.argmax(axis=1) == answers.argmax(axis=1)).mean())


def _tree(rows: Array, scores: Array, held: Array, depth: int) -> Fitted:
    made = tree.grown(rows, scores, depth)
    parts = {
        "feature": np.array(made.feature),
        "threshold": np.array(made.threshold),
        "left": np.array(made.left),
        "right": np.array(made.right),
        "value": np.array(made.values),
    }
    return Fitted(parts, _shares(made.gains), made.answers(held))


def _linear(rows: Array, scores: Array, held: Array, depth: int) -> Fitted:
    del depth
    mean, middle = rows.mean(axis=0), scores.mean(axis=0)
    spread = rows.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    given = (rows - mean) / scale
    gram = given.T @ given + _RIDGE * len(rows) * np.eye(rows.shape[1])
    slopes = np.linalg.solve(gram, given.T @ (scores - middle)) / scale[:, None]
    intercepts = middle - mean @ slopes
    weights = np.abs(slopes * spread[:, None]).sum(axis=1)
    parts = {"coefficients": slopes.T, "intercepts": intercepts}
    return Fitted(parts, _shares(weights), held @ slopes + intercepts)


def _shares(weights: Array) -> Array:
    total = weights.sum()
    return weights / total if total > 0 else weights
