"""A model that is asked for scores, with some features taken away, until a time is over."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from registry.core.explaining import scores as scoring
from registry.core.explaining.features import Layout
from registry.core.explaining.terms import Array, Method, Rows
from registry.making.exporting.running import Opened

# Rows at once: enough to keep an engine busy, few enough to look at the clock between.
_FIRST, _MOST = 32, 1024
_BYTES = 64 << 20
_QUICK = 0.25
IsOver = Callable[[], bool]
Named = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Asked:
    """An opened model, and which of its outputs is the score."""

    model: Opened
    output: str

    def scores(self, inputs: Named) -> Array:
        """(rows, numbers of a row), float64; raises `InvalidInput` where it says nothing of rows.

        A model of a fixed number of rows is asked so many at a time, the last filled up.
        """
        rows, fixed = len(next(iter(inputs.values()))), self._fixed()
        each, found = fixed or at_once(inputs), []
        for start in range(0, rows, each):
            some = {name: one[start : start + each] for name, one in inputs.items()}
            count = min(each, rows - start)
            if fixed:
                some = {name: _filled(one, fixed) for name, one in some.items()}
            found.append(self._asked(some, fixed or count)[:count])
        return np.vstack(found)

    def _asked(self, inputs: Named, rows: int) -> Array:
        answers = self.model.run(dict(inputs))
        return scoring.matrix(np.asarray(answers[self.output]), self.output, rows)

    def _fixed(self) -> int | None:
        shapes = [one.shape for one in self.model.signature.inputs]
        first = shapes[0][0] if shapes and shapes[0] else None
        return first if isinstance(first, int) and first > 0 else None


@dataclass(frozen=True, slots=True)
class Subject:
    """Instances to explain, and the rows that absent features are taken from."""

    asked: Asked
    layout: Layout
    instances: Named
    donors: Named

    def whole(self, rows: Rows) -> Array:
        """Whole outputs, for a method that names its own donors."""
        return self.asked.scores(self.layout.composed(rows, self.instances, self.donors))

    def sliced(self, instance: int, column: int, rows: Rows) -> Array:
        """One number a row, the mean over all donors in the place of what is absent: the
        expectation that Shapley values are defined by."""
        count = len(next(iter(self.donors.values())))
        each = Rows(
            np.repeat(rows.present, count, axis=0),
            np.full(len(rows) * count, instance),
            np.tile(np.arange(count), len(rows)),
        )
        found = self.whole(each)[:, column]
        return np.asarray(found.reshape(len(rows), count).mean(axis=1))

    def of(self, instance: int, column: int) -> tuple[Callable[[Rows], Array], int]:
        """How `drive` asks about one instance, and how many rows at a time."""
        count = len(next(iter(self.donors.values())))
        return partial(self.sliced, instance, column), max(at_once(self.instances) // count, 1)


def at_once(inputs: Named) -> int:
    """Rows that are asked at a time, by their size."""
    each = sum(one[:1].nbytes for one in inputs.values())
    return max(min(_MOST, _BYTES // max(each, 1)), 1)


def drive(method: Method, ask: Callable[[Rows], Array], is_over: IsOver, most: int) -> bool:
    """Ask what the method wants until it has enough (True) or the time is over. Once it is asked in
    any case. Few rows first, and more where an engine is quick; methods answer the same either way.
    """
    count = min(_FIRST, most)
    while True:
        rows = method.wanted(count)
        if rows is None:
            return True
        began = time.monotonic()
        method.told(ask(rows))
        if is_over():
            return method.wanted(1) is None
        if time.monotonic() - began < _QUICK:
            count = min(2 * count, most)


def _filled(rows: Array, count: int) -> Array:
    short = count - len(rows)
    return rows if not short else np.concatenate([rows, np.repeat(rows[-1:], short, axis=0)])
