"""A regression tree of several outputs, grown greedily: L. Breiman et al., "Classification and
Regression Trees", 1984. Small on purpose: it is to be read."""

from dataclasses import dataclass, field

import numpy as np

from registry.core.explaining.terms import Array

# Rows that a leaf has at least: fewer say nothing of a model.
LEAST = 5


@dataclass(slots=True)
class Tree:
    """Nodes by number, the root 0. A row goes `left` where its `feature` is at most `threshold`;
    a leaf has the feature -1. `values` (nodes, outputs) are means, and `gains` (features,) is what
    the splits by each feature took of the sum of squares."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)
    gains: Array = field(default_factory=lambda: np.zeros(0))

    def answers(self, rows: Array) -> Array:
        """(rows, outputs) of (rows, features)."""
        at = np.zeros(len(rows), np.intp)
        feature, threshold = np.array(self.feature), np.array(self.threshold)
        left, right = np.array(self.left), np.array(self.right)
        while (inner := feature[at] >= 0).any():
            which = at[inner]
            goes_left = rows[inner, feature[which]] <= threshold[which]
            at[inner] = np.where(goes_left, left[which], right[which])
        return np.array(self.values)[at]


def grown(rows: Array, wanted: Array, depth: int) -> Tree:
    """Of (rows, features) to (rows, outputs), at most `depth` splits from the root to a leaf."""
    tree = Tree(gains=np.zeros(rows.shape[1]))
    _grow(tree, rows, wanted, depth)
    return tree


def _grow(tree: Tree, rows: Array, wanted: Array, depth: int) -> int:
    number = len(tree.feature)
    for side, value in ((tree.feature, -1), (tree.left, -1), (tree.right, -1)):
        side.append(value)
    tree.threshold.append(0.0)
    tree.values.append(wanted.mean(axis=0))
    found = best(rows, wanted) if depth else None
    if found is not None:
        gain, feature, threshold = found
        tree.gains[feature] += gain
        low = rows[:, feature] <= threshold
        tree.feature[number], tree.threshold[number] = feature, threshold
        tree.left[number] = _grow(tree, rows[low], wanted[low], depth - 1)
        tree.right[number] = _grow(tree, rows[~low], wanted[~low], depth - 1)
    return number


def best(rows: Array, wanted: Array) -> tuple[float, int, float] | None:
    """The split that takes most of the sum of squares: how much, by which feature, at which number;
    None where none takes any."""
    count, around = len(rows), wanted - wanted.mean(axis=0)
    if count < 2 * LEAST:
        return None
    found: tuple[float, int, float] | None = None
    # The sum of squares falls by n · mean² of either side, where all together have the mean 0.
    sizes = np.arange(1, count)[:, None]
    for feature in range(rows.shape[1]):
        order = rows[:, feature].argsort(kind="stable")
        values, sums = rows[order, feature], around[order].cumsum(axis=0)[:-1]
        gains = (sums**2 / sizes + sums**2 / (count - sizes)).sum(axis=1)
        gains[(values[1:] == values[:-1])] = 0
        gains[: LEAST - 1], gains[count - LEAST :] = 0, 0
        at = int(gains.argmax())
        if gains[at] > 1e-12 * max(float((around**2).sum()), 1e-300) and (
            found is None or gains[at] > found[0]
        ):
            found = float(gains[at]), feature, float((values[at] + values[at + 1]) / 2)
    return found
