"""How wrong a row is, for permutation importance.

With labels: 0 or 1 for a class (its share is the error rate), else the squared error of the target.
Without labels the model is its own judge: how far the score moves from what it was.
"""

import numpy as np

from registry.core.explaining.permutation import Loss
from registry.errors import InvalidInput
from runtime.backends.protocol import Array
from runtime.explaining import scoring
from runtime.explaining.question import Wish


def of(wish: Wish, scores: Array) -> tuple[Loss, int]:
    """The loss, and the column of the output that it is about, -1 where it is about all. `scores`
    are those of the rows as they are. Raises `InvalidInput`."""
    if not wish.labels:
        columns = scoring.targets(scores, wish.target)
        own = scores[np.arange(len(scores)), columns]
        target = -1 if wish.target is None else wish.target
        return lambda found, rows: np.abs(own[rows] - found[np.arange(len(rows)), columns[rows]]), (
            target
        )
    labels = np.array(wish.labels)
    if len(labels) != len(scores):
        raise InvalidInput(
            f"parameter 'labels' has {len(labels)} labels for {len(scores)} instances"
        )
    if wish.target is None and scores.shape[1] > 1:
        return lambda found, rows: (found.argmax(axis=1) != labels[rows]).astype(np.float64), -1
    column = int(scoring.targets(scores, wish.target or 0)[0])
    return lambda found, rows: (found[:, column] - labels[rows]) ** 2, column
