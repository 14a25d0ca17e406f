"""Counts in bins that somebody asked for: of one column of an input, or of one output.

Nothing is counted until it is asked for, and nothing any more some time after it was asked for
last. Of a value only its bin is kept, so memory is bounded, and no input can be read from it. So
many inferences a second are counted, as for sketches: the cost stays the same under any load.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from registry.core.canonical import Json
from registry.errors import Conflict
from runtime.backends.protocol import Array, Arrays
from runtime.inference.asked import Asked, Outcome
from runtime.observing.rows import Misfit, columns, rows, tops

_MOST_WATCHED = 64
_MOST_ROWS = 1024
_MOST_VALUES = 65_536


@dataclass(frozen=True, slots=True)
class Wanted:
    """`side` is `input` or `output`; `column` is the place of a value in its row, None for the
    mean of the row. Numbers are counted between `edges`, ascending, a value on an edge above it;
    with `categories` by what they are: integers and text as such, of a row of scores the place of
    the highest. The last count is of all that is in no bin: not finite, or in no category."""

    side: str
    tensor: str
    column: int | None
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()


class _Watch:
    """`since` is drawn anew whenever counting begins: what was counted before is then no part."""

    def __init__(self, wanted: Wanted) -> None:
        self.until = 0.0
        self.since = secrets.token_hex(8)
        self.problem = ""
        self._wanted = wanted
        bins = len(wanted.categories) or len(wanted.edges) + 1
        self._counts = np.zeros(bins + 1, dtype=np.int64)
        self._edges = np.array(wanted.edges, dtype=np.float64)
        self._places = {name: place for place, name in enumerate(wanted.categories)}

    def add(self, sides: Mapping[str, Arrays], *, is_whole: bool) -> None:
        """`is_whole` where the client asked for all outputs: what it did not ask for is no
        problem."""
        array = sides[self._wanted.side].get(self._wanted.tensor)
        if array is None and self._wanted.side == "output" and not is_whole:
            return
        if array is None:
            names = ", ".join(sorted(sides[self._wanted.side])) or "none"
            self.problem = f"there is no {self._wanted.side} {self._wanted.tensor!r}, but {names}"
            return
        try:
            places = self._categorised(array) if self._places else self._binned(array)
        except Misfit as misfit:
            self.problem = f"{self._wanted.side} {self._wanted.tensor!r} {misfit}"
            return
        self._counts += np.bincount(places, minlength=self._counts.size)

    def document(self) -> dict[str, Json]:
        counts: list[Json] = [int(count) for count in self._counts]
        return {"since": self.since, "counts": counts, "problem": self.problem or None}

    def _binned(self, array: Array) -> Array:
        values = columns(_some(array), self._wanted.column)
        found = np.searchsorted(self._edges, values, side="right")
        return np.where(np.isfinite(values), found, self._counts.size - 1)

    def _categorised(self, array: Array) -> Array:
        other = self._counts.size - 1
        named = tops(_some(array), self._wanted.column)
        return np.array([self._places.get(name, other) for name in named], dtype=np.int64)


class Histograms:
    """Those of one version."""

    def __init__(self, per_second: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = 1 / per_second
        self._next = 0.0
        self._clock = clock
        self._watched: dict[Wanted, _Watch] = {}

    def look(self, asked: Asked, outcome: Outcome) -> None:
        """Count it, where somebody asked for that and it is time."""
        if not self._watched:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._pause
        self._drop(now)
        sides = {"input": asked.inputs, "output": outcome.outputs}
        for watch in self._watched.values():
            watch.add(sides, is_whole=not asked.outputs)

    def counted(self, wanted: Wanted, seconds: float) -> dict[str, Json]:
        """What was counted so far; counting goes on for so many seconds. Raises `Conflict` where
        too much is watched already."""
        now = self._clock()
        self._drop(now)
        watch = self._watched.get(wanted)
        if watch is None:
            if len(self._watched) >= _MOST_WATCHED:
                raise Conflict(
                    f"{_MOST_WATCHED} histograms are watched here already",
                    fix="wait until those that nobody asks for any more are dropped",
                )
            watch = self._watched[wanted] = _Watch(wanted)
        watch.until = max(watch.until, now + seconds)
        return watch.document()

    def _drop(self, now: float) -> None:
        for wanted in [one for one, watch in self._watched.items() if watch.until < now]:
            del self._watched[wanted]


def _some(array: Array) -> Array:
    """Its rows, or some of them evenly spread."""
    found = rows(array)
    most = max(1, min(_MOST_ROWS, _MOST_VALUES // max(1, found.shape[1])))
    return found if len(found) <= most else found[:: -(-len(found) // most)]
