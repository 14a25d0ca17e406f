"""Interleaved repetitions: a figure and its reference take turns, since machines are noisy."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Compared:
    """Seconds of each repetition of ours and of the reference, in pairs."""

    ours: Sequence[float]
    reference: Sequence[float]

    @property
    def seconds(self) -> float:
        """Our median."""
        return statistics.median(self.ours)

    @property
    def reference_seconds(self) -> float:
        """The reference's median."""
        return statistics.median(self.reference)

    @property
    def speed_ratio(self) -> float:
        """How fast ours is where the reference is 1: the median over the pairs."""
        return statistics.median(
            reference / ours for ours, reference in zip(self.ours, self.reference, strict=True)
        )


def compared(
    ours: Callable[[], float], reference: Callable[[], float], *, repetitions: int
) -> Compared:
    """Run both `repetitions` times, each of them first in every second pair.

    Both give the seconds that count. Each starts with no write-back of the other under way.
    """
    pairs = []
    for number in range(repetitions):
        if number % 2:
            second, first = quietly(reference), quietly(ours)
        else:
            first, second = quietly(ours), quietly(reference)
        pairs.append((first, second))
    return Compared([one for one, _ in pairs], [other for _, other in pairs])


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
