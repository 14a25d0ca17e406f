"""One slice of an explanation: the rows that a method wants, asked of the engine, and told.

A slice says how many rows it was, none where the method wants no more.
Runs on the lane's thread. A slice is as many rows as the lane finds suit; a model whose rows cannot
be stacked is asked one by one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from registry.core.explaining.features import Layout
from registry.core.explaining.terms import Method, Rows
from registry.errors import PlimsollError
from runtime.backends.protocol import Array, Backend
from runtime.explaining import scoring

_MOST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked, and about what: `instances` (rows, *shape) by input, what stands for absent
    features in `background`, the call and its output. `batches`: rows may be stacked.
    `in_thread`: the engine computes in the thread that asks it. `picture` is the height and width
    of the one picture, where features are its pixels."""

    call: str
    output: str
    batches: bool
    layout: Layout
    instances: Mapping[str, Array]
    background: Mapping[str, Array]
    in_thread: bool
    picture: tuple[int, int] = (0, 0)

    @property
    def rows(self) -> int:
        """How many instances."""
        return len(next(iter(self.instances.values())))

    @property
    def donors(self) -> int:
        """How many rows the background has."""
        return len(next(iter(self.background.values())))

    def at_most(self) -> int:
        """Rows that one run may have, by their bytes and those of what is present."""
        each = sum(array[:1].nbytes + array[:1].size for array in self.instances.values())
        return max(_MOST_BYTES // max(each, 1), 1)

    def scores(self, backend: Backend, inputs: Mapping[str, Array]) -> Array:
        """(rows, numbers of a row); raises `PlimsollError` alone."""
        rows = len(next(iter(inputs.values())))
        try:
            if self.batches:
                return scoring.matrix(backend.run(self.call, inputs), self.output, rows)
            ones = [{name: array[row : row + 1] for name, array in inputs.items()}
                    for row in range(rows)]  # fmt: skip
            return np.vstack(
                [scoring.matrix(backend.run(self.call, one), self.output, 1) for one in ones]
            )
        except PlimsollError:
            raise
        except Exception as error:
            raise PlimsollError(f"the engine failed: {error}") from error


def whole(subject: Subject, method: Method, backend: Backend, most: int) -> int:
    """For a method that is told whole outputs and names its own donors."""
    rows = method.wanted(min(most, subject.at_most()))
    if rows is None:
        return 0
    inputs = subject.layout.composed(rows, subject.instances, subject.background)
    method.told(subject.scores(backend, inputs))
    return len(rows)


@dataclass(frozen=True, slots=True)
class Sliced:
    """A row with something absent is asked with every row of the background in its place, and its
    score is their mean: the expectation that Shapley values are defined by."""

    subject: Subject
    method: Method
    instance: int
    column: int

    def __call__(self, backend: Backend, most: int) -> int:
        subject, donors = self.subject, self.subject.donors
        most = min(most, subject.at_most())
        rows = self.method.wanted(max(most // donors, 1))
        if rows is None:
            return 0
        each = Rows(
            np.repeat(rows.present, donors, axis=0),
            np.full(len(rows) * donors, self.instance),
            np.tile(np.arange(donors), len(rows)),
        )
        inputs = subject.layout.composed(each, subject.instances, subject.background)
        found = subject.scores(backend, inputs)[:, self.column]
        self.method.told(found.reshape(len(rows), donors).mean(axis=1))
        return len(each)
