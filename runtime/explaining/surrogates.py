"""A surrogate of the version: the rows that it learns from, asked of the engine, and told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from registry.core.explaining import scores as scoring
from registry.core.explaining.surrogate import Surrogate
from registry.errors import InvalidInput
from runtime.backends import bfloat16
from runtime.backends.protocol import Array, Backend
from runtime.explaining import question
from runtime.explaining.asking import Subject
from runtime.explaining.question import Wish


def given(wish: Wish, subject: Subject) -> Subject:
    """`subject` about all rows that were given, those of the parameter `baseline` too."""
    rows: Mapping[str, Array] = subject.instances
    if wish.baseline is not None:
        rows = {name: np.concatenate([array, subject.background[name]])
                for name, array in rows.items()}  # fmt: skip
    return replace(subject, instances=rows, background=rows)


def method(wish: Wish, subject: Subject) -> Surrogate:
    """Of the rows that were given; raises `InvalidInput` where they are no numbers."""
    random = np.random.default_rng(wish.seed)
    return Surrogate(numbers(subject), wish.surrogate, wish.depth, wish.samples, random)


def numbers(subject: Subject) -> Array:
    """(rows, features): a feature of several elements is their mean."""
    elements = {name: bfloat16.numbers(array) for name, array in subject.instances.items()}
    for name, array in elements.items():
        if array.dtype.kind not in "biuf":
            raise InvalidInput(
                f"input {name!r} is of strings, of which no surrogate is fitted",
                fix="use permutation, which takes any type",
            )
    sizes = np.bincount(subject.layout.flat(), minlength=subject.layout.count)
    return subject.layout.gathered(elements) / sizes


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that the method wants, and of their outputs the target, or all."""

    subject: Subject
    method: Surrogate
    target: int | None

    def __call__(self, backend: Backend, most: int) -> int:
        """How many rows it was, none where the method wants no more."""
        subject = self.subject
        rows = self.method.wanted(min(most, subject.at_most()))
        if rows is None:
            return 0
        inputs = subject.layout.composed(rows, subject.instances, subject.background)
        scores = subject.scores(backend, inputs)
        if self.target is not None:
            column = scoring.targets(scores, self.target)[0]
            scores = scores[:, column : column + 1]
        if scores.shape[1] > question.MOST_OUTPUTS:
            raise InvalidInput(
                f"a row of the output has {scores.shape[1]} numbers, a surrogate has at most "
                f"{question.MOST_OUTPUTS}: name one of them in 'target'"
            )
        self.method.told(scores)
        return len(rows)
