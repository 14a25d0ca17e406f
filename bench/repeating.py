"""Interleaved repetitions: a figure and its reference take turns, since machines are noisy."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_OURS, _REFERENCE = "ours", "reference"


@dataclass(frozen=True, slots=True)
class Turns:
    """Seconds of each repetition, by contender; the n-th of all were taken in one round."""

    taken: Mapping[str, Sequence[float]]

    def seconds(self, name: str) -> float:
        """The median of one."""
        return statistics.median(self.taken[name])

    def speed_ratio(self, name: str, reference: str) -> float:
        """How fast `name` is where `reference` is 1: the median over the rounds."""
        rounds = zip(self.taken[name], self.taken[reference], strict=True)
        return statistics.median(theirs / ours for ours, theirs in rounds)


@dataclass(frozen=True, slots=True)
class Compared:
    """Turns of two: ours and the one that it is measured against."""

    turns: Turns

    @property
    def seconds(self) -> float:
        """Our median."""
        return self.turns.seconds(_OURS)

    @property
    def reference_seconds(self) -> float:
        """The reference's median."""
        return self.turns.seconds(_REFERENCE)

    @property
    def speed_ratio(self) -> float:
        """How fast ours is where the reference is 1: the median over the pairs."""
        return self.turns.speed_ratio(_OURS, _REFERENCE)


def in_turns(contenders: Mapping[str, Callable[[], float]], *, repetitions: int) -> Turns:
    """Run all of them `repetitions` times, each round beginning with another.

    They give the seconds that count. Each starts with no write-back of another under way.
    """
    order = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(repetitions):
        for name in order:
            taken[name].append(quietly(contenders[name]))
        order = order[1:] + order[:1]
    return Turns(taken)


def compared(
    ours: Callable[[], float], reference: Callable[[], float], *, repetitions: int
) -> Compared:
    """Run both `repetitions` times, each of them first in every second round."""
    return Compared(in_turns({_OURS: ours, _REFERENCE: reference}, repetitions=repetitions))


def quietly(measured: Callable[[], float]) -> float:
    """What `measured` gives, once the disk has settled."""
    os.sync()
    return measured()


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], object], *, repetitions: int) -> float:
    """The median of several calls, after one that does not count."""
    work()
    return statistics.median(seconds(work) for _ in range(repetitions))
