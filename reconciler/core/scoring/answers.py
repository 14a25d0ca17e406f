"""What a model answered, as classes with scores or as numbers, next to the right answers. Pure."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from registry.errors import InvalidInput

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

# Probabilities that came as float16 or were rounded on the way still are some.
_ROUNDING = 1e-2


@dataclass(frozen=True, slots=True)
class Classes:
    """`right` and `given` are classes; `scores` has a row of them for each sample, a column for
    each class, where the model tells scores. `eps` is the precision that they came in."""

    right: Ints
    given: Ints
    scores: Floats | None
    eps: float

    @property
    def are_probabilities(self) -> bool:
        """Whether each row of scores lies between 0 and 1 and has the sum 1."""
        if self.scores is None or self.scores.min() < 0 or self.scores.max() > 1:
            return False
        return bool(np.all(np.abs(self.scores.sum(axis=1) - 1) < _ROUNDING))


@dataclass(frozen=True, slots=True)
class Numbers:
    """`right` and `given` are numbers."""

    right: Floats
    given: Floats


Answers: TypeAlias = Classes | Numbers


def classes(answered: npt.NDArray[np.generic], labels: Ints) -> Classes:
    """Whole numbers are classes, a row of scores means the highest, and one score alone is the
    probability of class 1; raises `InvalidInput` for anything else."""
    rows = _rows(answered, len(labels))
    if rows.dtype.kind in "iub" and rows.shape[1] == 1:
        return Classes(labels, rows[:, 0].astype(np.int64), None, 0.0)
    scores = rows.astype(np.float64)
    eps = float(np.finfo(str(rows.dtype) if rows.dtype.kind == "f" else "float64").eps)
    if scores.shape[1] == 1:
        if scores.min() < 0 or scores.max() > 1:
            raise InvalidInput(
                "the model answers with one number for a sample, and some are no probabilities",
                fix="ask for rmse, mae or r2, or name another tensor in spec.output",
            )
        scores = np.concatenate([1 - scores, scores], axis=1)
    return Classes(labels, scores.argmax(axis=1).astype(np.int64), scores, eps)


def numbers(answered: npt.NDArray[np.generic], labels: Floats) -> Numbers:
    """One number for each sample; raises `InvalidInput`."""
    rows = _rows(answered, len(labels))
    if rows.shape[1] != 1:
        raise InvalidInput(
            f"the model answers with {rows.shape[1]} numbers for a sample, one is wanted",
            fix="name the right tensor in spec.output",
        )
    return Numbers(labels.astype(np.float64), rows[:, 0].astype(np.float64))


def _rows(answered: npt.NDArray[np.generic], samples: int) -> npt.NDArray[np.generic]:
    if answered.dtype.kind not in "iubf":
        raise InvalidInput(f"the model answers with {answered.dtype}, which has no numbers")
    if answered.shape[:1] != (samples,) or answered.size == 0:
        shape = list(answered.shape)
        raise InvalidInput(f"the answers to {samples} samples have the shape {shape}")
    return answered.reshape(samples, -1)
