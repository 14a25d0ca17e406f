"""The way of explanations into an engine: one run at a time in the process, behind all requests.

A run begins only while nobody waits for the version, on a thread of its own that stands back, and
rests afterwards. While clients ask, a run is kept short and rests long: those of a length that
they could notice are so rare that fewer than one request in a hundred meets one.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from registry.errors import Busy
from runtime import priority
from runtime.backends.isolated import IsolatedBackend
from runtime.backends.protocol import Backend
from runtime.inference.scheduler import Scheduler

T = TypeVar("T")

# What a run should take at most, in seconds: while clients ask, and while nobody does.
_SHORT, _LONG = 0.0004, 0.02
# How much longer than it ran it rests.
_QUIET_REST, _SHORT_REST, _LONG_REST = 0.25, 4.0, 200.0
_LONGEST_REST = 2.0
_QUIET_AFTER = 1.0
_PLACES = 8


class Lane:
    """One for a process. Used on the event loop. `asked` counts what clients asked so far."""

    def __init__(self, asked: Callable[[], int]) -> None:
        self._asked = asked
        self._engine = ThreadPoolExecutor(1, "explain", priority.stand_back)
        self._free = asyncio.Lock()
        self._waiting = 0
        self._seen, self._seen_at = 0, -_QUIET_AFTER
        self._rested_at = 0.0

    async def enter(self, seconds: float) -> None:
        """Wait for the one place; raises `Busy` where it does not come in time. `leave` it."""
        if self._waiting >= _PLACES:
            raise Busy(f"{self._waiting} explanations wait already", fix="try again in a moment")
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise Busy("another explanation is being made", fix="try again in a moment") from error
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """The next one's turn."""
        self._free.release()

    async def run(
        self, scheduler: Scheduler, work: Callable[[Backend], T], until: float
    ) -> tuple[T, float]:
        """`work` with the version's backend, on the lane's thread; raises `TimeoutError` where it
        could not begin before `until`, of the loop's clock. What has begun is waited for; with its
        result comes how many seconds it took."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until):
            await asyncio.sleep(max(self._rested_at - loop.time(), 0))
            await scheduler.drained()
        spent = 0.0

        def timed(backend: Backend) -> T:
            nonlocal spent
            started, worked = time.perf_counter(), time.process_time()
            try:
                return work(backend)
            finally:
                spent = time.perf_counter() - started
                if not isinstance(backend, IsolatedBackend):
                    # Time for which other processes had the core is no work that was done here.
                    spent = min(spent, time.process_time() - worked)

        try:
            return await scheduler.aside(timed, self._engine), spent
        finally:
            self._rested_at = loop.time() + min(spent * self._rest(spent), _LONGEST_REST)

    def is_quiet(self) -> bool:
        """Whether no client asked for a while."""
        now, asked = time.monotonic(), self._asked()
        if asked != self._seen:
            self._seen, self._seen_at = asked, now
        return now - self._seen_at > _QUIET_AFTER

    def suits(self, rows: int, spent: float) -> int:
        """How many rows to run next, where so many took so long."""
        wanted = _LONG if self.is_quiet() else _SHORT
        return max(min(int(rows * min(wanted / max(spent, 1e-6), 4.0)), 4096), 1)

    def _rest(self, spent: float) -> float:
        if self.is_quiet():
            return _QUIET_REST
        return _SHORT_REST if spent < 2 * _SHORT else _LONG_REST
