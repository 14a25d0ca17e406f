"""Counters and histograms as plain numbers: a request pays for less than its own additions.

Counted on the event loop, and read there when a page is asked for (`runtime.exposition`).
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
Labels = tuple[str, ...]

_TOGETHER = 16


class Together(Generic[T]):
    """What is to be counted, some at a time: between two requests the processor's caches forget how
    that goes, so each by itself takes several times as long. Whoever reads what was counted calls
    `settle` first."""

    __slots__ = ("_count", "_waiting")

    def __init__(self, count: Callable[[T], None]) -> None:
        self._count = count
        self._waiting: list[T] = []

    def add(self, one: T) -> None:
        """Sooner or later."""
        self._waiting.append(one)
        if len(self._waiting) >= _TOGETHER:
            self.settle()

    def settle(self) -> None:
        """Now, all that came."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._count(one)


class Counts:
    """How often, by the values of its labels: `found`."""

    def __init__(self, name: str, said: str, labels: Sequence[str]) -> None:
        self.name, self.said, self.labels = name, said, tuple(labels)
        self.found: dict[Labels, int] = {}

    def add(self, *values: str) -> None:
        """Once more."""
        self.found[values] = self.found.get(values, 0) + 1


class Histograms:
    """How large, by the values of its labels; `bounds` in ascending order, each included.

    `found` counts what is in each bound and in none before it, the last what is above all;
    `sums` has the sum of the sizes.
    """

    def __init__(
        self, name: str, said: str, labels: Sequence[str], *, bounds: Sequence[float]
    ) -> None:
        self.name, self.said, self.labels = name, said, tuple(labels)
        self.bounds = tuple(bounds)
        self.found: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def add(self, value: float, *values: str) -> None:
        """One more of this size."""
        found = self.found.get(values)
        if found is None:
            found = self.found[values] = [0] * (len(self.bounds) + 1)
            self.sums[values] = 0.0
        found[bisect_left(self.bounds, value)] += 1
        self.sums[values] += value


Tally = Counts | Histograms
