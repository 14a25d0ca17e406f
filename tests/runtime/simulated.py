"""A fake clock under a real event loop, and an engine whose runs take as long as it is told.

The loop's time jumps to the next timer when nothing else is to do, so an hour of waiting takes
no time and two runs with one seed are the same run.
"""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import Arrays, Call
from runtime.inference.asked import Asked, Outcome
from runtime.inference.means import Means, Places
from runtime.inference.pace import NeverQuick, Pace, Worked, worked
from runtime.inference.scheduler import Scheduler
from runtime.tuning import Tuning

POISON = -1.0
CRASH = -2.0
_TURN_SECONDS = 1e-5  # even a turn of the loop in which nothing is waited for takes time


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Waits for nobody: it moves the clock instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found and timeout is not None:
            self.now += timeout or _TURN_SECONDS
        return found


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock only moves while everybody waits."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return float(self._jumping.now)


def simulate(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(main)


def clock() -> int:
    return round(asyncio.get_running_loop().time() * 1e9)


class Engines(Executor):
    """Runs at once what it is given, and says so when the time is over."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.running = 0
        self.most = 0

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.running += 1
        self.most = max(self.most, self.running)
        found: Future[Any] = Future()

        def done() -> None:
            self.running -= 1
            work(*args, **kwargs)

        asyncio.get_running_loop().call_later(self._seconds(), done)
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


@dataclass
class Doubling:
    """Twice its rows; a row with POISON is bad, one with CRASH is too much for it."""

    calls: Mapping[str, Call] = field(default_factory=lambda: {"double": _call()})
    trouble: str = ""
    runs: list[int] = field(default_factory=list)
    is_closed: bool = False

    def run(self, call: str, inputs: Arrays) -> dict[str, Any]:
        assert not self.is_closed
        x = inputs["x"]
        self.runs.append(len(x))
        if (x == POISON).any():
            raise InvalidInput("poison")
        if (x == CRASH).any():
            raise RuntimeError("crash")
        return {"y": x * 2, "sum": x.sum(axis=1)}

    def close(self) -> None:
        self.is_closed = True


def _call() -> Call:
    x = Tensor("x", "float64", (None, None))
    outputs = (Tensor("y", "float64", (None, None)), Tensor("sum", "float64", (None,)))
    return Call(Signature((x,), outputs), "predict", ("x",), ("y", "sum"), batches=True)


@dataclass
class Rig:
    """One scheduler with all that is around it."""

    tuning: Tuning
    instances: int = 1
    limit: int = 1000
    seconds: Callable[[], float] = lambda: 0.01
    deadline: float = 30.0
    pace: Callable[[], Pace] = NeverQuick
    clock: Callable[[], int] = clock
    worked: Callable[[], Worked] = worked

    def __post_init__(self) -> None:
        self.backend = Doubling()
        self.engines = Engines(self.seconds)
        self.places = Places(self.limit)
        means = Means(
            self.engines, self.instances, self.places, self.deadline,
            self.clock, self.pace, self.worked,
        )  # fmt: skip
        self.scheduler = Scheduler(self.backend, self.tuning, means)

    def ask(self, *rows: float, width: int = 1, **options: Any) -> asyncio.Task[Outcome]:
        x = np.repeat(np.array(rows, dtype=np.float64)[:, None], width, axis=1)
        asked = Asked("double", {"x": x}, **options)
        return asyncio.get_running_loop().create_task(self.scheduler.infer(asked))


def draws(seed: int) -> random.Random:
    return random.Random(seed)
