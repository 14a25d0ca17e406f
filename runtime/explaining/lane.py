"""The way of explanations into an engine: one run at a time in the process, behind all requests.

A run begins while nobody waits for the version, on a thread of its own that stands back, and rests
afterwards. While clients ask, a run is kept short and rests long: those of a length that
they could notice are so rare that fewer than one request in a hundred meets one.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from registry.errors import Busy
from runtime import priority
from runtime.backends.protocol import Backend
from runtime.inference.scheduler import Scheduler

T = TypeVar("T")
Clock = Callable[[], float]

# What a run should take, in seconds: while clients ask, and while nobody does.
_SHORT, _LONG = 0.0005, 0.02
# Of a run of the clients' own: a run that is shorter is not noticed beside it.
_SHARE = 0.25
# How much longer than it ran it rests.
_QUIET_REST, _SHORT_REST, _AMID_REST, _LONG_REST = 0.25, 4.0, 30.0, 200.0
_LONGEST_REST = 5.0
_NAP = 0.1
# So long it waits for a moment in which nobody waits; then it goes all the same, and rests long.
_PATIENCE = 0.05
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
        self, scheduler: Scheduler, work: Callable[[Backend], T], until: float, clock: Clock
    ) -> tuple[T, float]:
        """`work` with the version's backend, on the lane's thread; raises `TimeoutError` where it
        could not begin before `until`, of the loop's clock. What has begun is waited for; with its
        result comes how much larger the next run should be. `clock` counts seconds of work."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until):
            while (left := self._rested_at - loop.time()) > 0 and not self.is_quiet():  # noqa: ASYNC110
                await asyncio.sleep(min(left, _NAP))
            is_free = await self._free_moment(scheduler)
        spent = 0.0

        def timed(backend: Backend) -> T:
            nonlocal spent
            started = clock()
            try:
                return work(backend)
            finally:
                spent = clock() - started

        short = max(_SHORT, _SHARE * scheduler.statistics.mean_run_ns / 1e9)
        try:
            found = await scheduler.aside(timed, self._engine)
        finally:
            self._rested_at = loop.time() + self._rest(spent, short, is_free=is_free)
        return found, (_LONG if self.is_quiet() else short) / max(spent, 1e-6)

    async def reckon(self, work: Callable[[], T]) -> T:
        """`work`, which needs no engine, on the lane's thread, which stands back."""
        return await asyncio.get_running_loop().run_in_executor(self._engine, work)

    @staticmethod
    def clock(*, in_thread: bool) -> Clock:
        """An engine that computes in the thread that asks it is charged for what that computed:
        its wait for the interpreter, under load most of the time, costs nobody anything."""
        return time.thread_time if in_thread else time.perf_counter

    def is_quiet(self) -> bool:
        """Whether no client asked for a while."""
        now, asked = time.monotonic(), self._asked()
        if asked != self._seen:
            self._seen, self._seen_at = asked, now
        return now - self._seen_at > _QUIET_AFTER

    async def _free_moment(self, scheduler: Scheduler) -> bool:
        """Whether there was one; a version that is asked without a pause has none."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await scheduler.drained()
        except TimeoutError:
            return False
        return True

    def _rest(self, spent: float, short: float, *, is_free: bool) -> float:
        """Seconds."""
        if self.is_quiet():
            return spent * _QUIET_REST
        if spent > 2 * short:
            return min(spent * _LONG_REST, _LONGEST_REST)
        return spent * (_SHORT_REST if is_free else _AMID_REST)
