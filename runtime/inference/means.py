"""What a version runs with: threads, places in the queue, a clock."""

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from registry import errors
from runtime import priority
from runtime.backends.isolated import IsolatedBackend
from runtime.backends.protocol import Backend
from runtime.config import Pin
from runtime.inference.batches import Clock
from runtime.inference.pace import NeverQuick, Pace, Worked, worked
from runtime.limits import Limits


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
    loop is not to wait for; `worked` is what all threads did until now."""

    engine: Executor
    instances: int
    places: Places
    deadline_seconds: float
    clock: Clock = time.perf_counter_ns
    pace: Callable[[], Pace] = Pace
    worked: Callable[[], Worked] = worked


def of(pin: Pin, backend: Backend, places: Places, *, cores: int, limits: Limits) -> Means:
    """Batches gather while one instance runs; single requests run on every core."""
    instances = pin.tuning.instances or (cores if pin.tuning.batching is None else 1)
    return Means(
        ThreadPoolExecutor(
            instances,
            thread_name_prefix=f"engine-{pin.model}",
            initializer=priority.stand_back,
        ),
        instances,
        places,
        limits.deadline_seconds,
        pace=NeverQuick if isinstance(backend, IsolatedBackend) else Pace,
    )
