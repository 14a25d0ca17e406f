"""What a version runs with: threads, places in the queue, a clock."""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

from registry import errors
from runtime.inference.batches import Clock
from runtime.inference.pace import Pace


class Places:
    """How many requests of all versions together may be in an engine or wait for one."""

    __slots__ = ("limit", "taken")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0

    def take(self) -> None:
        """Raises `Busy`; who took a place gives it back."""
        if self.taken >= self.limit:
            raise errors.Busy(f"{self.taken} requests wait already", fix="try again in a moment")
        self.taken += 1


@dataclass(frozen=True, slots=True)
class Means:
    """What a version runs with: `engine` runs `instances` at once, for requests that the event
    loop is not to wait for; `worked` is the processor time of all threads."""

    engine: Executor
    instances: int
    places: Places
    deadline_seconds: float
    clock: Clock = time.perf_counter_ns
    pace: Callable[[], Pace] = Pace
    worked: Clock = time.process_time_ns
