"""From a model's outputs to the one number that an explanation is about, and how wrong a row is.

Which output: the one that was named, else `scores`, else `probabilities` (scikit-learn's), else the
first of floating numbers; whole numbers such as labels are no scores. Of a row of several numbers
it is one, the target: what was asked for, or for each instance its largest.
"""

from collections.abc import Sequence

import numpy as np

from registry.core.explaining.permutation import Loss
from registry.core.explaining.terms import Array
from registry.core.tensors import Tensor
from registry.errors import InvalidInput

_USUAL = ("scores", "probabilities")
_FLOATS = {"float16", "bfloat16", "float32", "float64"}


def output(outputs: Sequence[Tensor], wanted: str) -> Tensor:
    """Raises `InvalidInput` where there is none, or it holds no numbers."""
    by_name = {tensor.name: tensor for tensor in outputs}
    if wanted:
        found = by_name.get(wanted)
        if found is None:
            raise InvalidInput(
                f"parameter 'output' is {wanted[:80]!r}, which the model does not have",
                fix=f"its outputs are {', '.join(by_name)}",
            )
        if found.dtype in {"string", "bool"}:
            raise InvalidInput(f"output {wanted!r} is of type {found.dtype}, which is no score")
        return found
    floats = [one for one in by_name.values() if one.dtype in _FLOATS]
    usual = [by_name[name] for name in _USUAL if name in by_name and by_name[name] in floats]
    if not floats:
        raise InvalidInput("no output of the model is of floating numbers, which a score is",
                           fix="name one of whole numbers in the parameter 'output'")  # fmt: skip
    return (usual or floats)[0]


def matrix(found: Array, name: str, rows: int) -> Array:
    """(rows, numbers of one row), float64; raises `InvalidInput` where it has other rows."""
    if not found.ndim and rows == 1:
        found = found.reshape(1)
    if not found.ndim or len(found) != rows or not found.size:
        raise InvalidInput(
            f"output {name!r} has the shape {list(found.shape)} for {rows} rows: it says nothing "
            "of each row"
        )
    return np.asarray(found.reshape(rows, -1), np.float64)


def targets(scores: Array, wanted: int | None) -> Array:
    """The column of each row; raises `InvalidInput` for one that there is not."""
    if wanted is None:
        return np.asarray(np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1))
    if wanted >= scores.shape[1]:
        raise InvalidInput(
            f"parameter 'target' is {wanted}, a row of the output has {scores.shape[1]} numbers"
        )
    return np.full(len(scores), wanted)


def loss(scores: Array, labels: Array | None, target: int | None) -> tuple[Loss, int]:
    """For permutation importance the loss, and the column of the output that it is about, -1 where
    it is about all. `scores` (rows, numbers) are those of the rows as they are.

    With labels: 0 or 1 for a class (its share is the error rate), else the squared error of the
    target. Without labels the model is its own judge: how far the score moves from what it was.
    Raises `InvalidInput`.
    """
    if labels is None:
        columns = targets(scores, target)
        own = scores[np.arange(len(scores)), columns]
        return lambda found, rows: np.abs(own[rows] - found[np.arange(len(rows)), columns[rows]]), (
            -1 if target is None else target
        )
    if len(labels) != len(scores):
        raise InvalidInput(
            f"parameter 'labels' has {len(labels)} labels for {len(scores)} instances"
        )
    if target is None and scores.shape[1] > 1:
        return lambda found, rows: (found.argmax(axis=1) != labels[rows]).astype(np.float64), -1
    column = int(targets(scores, target or 0)[0])
    return lambda found, rows: (found[:, column] - labels[rows]) ** 2, column
