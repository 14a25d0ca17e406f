"""Runs the requests of one version: at once on the event loop, in batches, or on threads.

Every request that comes in gets exactly one outcome, its own rows, and gives back what it took.
Used on the event loop only; on other threads nothing runs but `batches.execute`.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from registry import errors
from registry.errors import PlimsollError
from runtime.backends import stopping
from runtime.backends.protocol import Backend
from runtime.inference import batches, form, pace
from runtime.inference.asked import Asked, Observer, Outcome, Times
from runtime.inference.batches import Done
from runtime.inference.company import Company
from runtime.inference.flights import Flight, Flights
from runtime.inference.form import Form
from runtime.inference.means import Means
from runtime.inference.pace import QUICK_NS, Worked
from runtime.inference.statistics import Statistics
from runtime.inference.waiting import Line, Waiting, late
from runtime.tuning import Tuning

T = TypeVar("T")
_SHORTEST_TIMER_NS = 1_000_000  # uvloop's timers count whole milliseconds


class Scheduler:
    """One version's. Made and used on the event loop."""

    def __init__(
        self, backend: Backend, tuning: Tuning, means: Means, observers: Sequence[Observer] = ()
    ) -> None:
        self.statistics = Statistics()
        self._backend = backend
        self._means = means
        self._clock, self._worked = means.clock, means.worked
        self._others = tuple(observers)
        self._observers: tuple[Observer, ...] = (self.statistics, *observers)
        self._forms = {
            name: Form(call, means.pace(), is_batched=tuning.batching is not None)
            for name, call in backend.calls.items()
        }
        self._line = Line(tuning.batching)
        self._flying = Flights()
        self._loop = asyncio.get_running_loop()
        self._company = Company(self._loop)
        self._is_prompt = tuning.batching is None or not tuning.batching.delay_microseconds
        self._is_woken = False
        self._timer: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._idle: asyncio.Future[None] | None = None
        self._is_closed = False

    @property
    def pending(self) -> int:
        """Requests that wait for an engine."""
        return self._line.count

    async def infer(self, asked: Asked) -> Outcome:
        """One inference. Raises `InvalidInput`, `Busy`, `Unavailable`, `WaitTimedOut`,
        and `PlimsollError` itself where the engine failed; cancelled, it leaves the queue."""
        arrived = self._clock()
        try:
            found = self._fitting(asked)
            size = form.size(asked.inputs)
            if self._is_free_for(found, size):
                outcome = self._at_once(asked, found, arrived, size)
                observers = self._others  # the statistics have it
            else:
                outcome = await self._in_turn(asked, found, arrived, size)
                observers = self._observers
        except PlimsollError as error:
            for observer in self._observers:
                observer.failed(asked, error)
            raise
        except BaseException:
            for observer in self._observers:
                observer.abandoned(asked)
            raise
        for observer in observers:
            observer.inferred(asked, outcome)
        return outcome

    def prime(self, call: str, size: int, nanoseconds: int) -> None:
        """What a run took before anybody asked."""
        self._forms[call].pace.took(size, nanoseconds)

    async def drained(self) -> None:
        """Returns once nothing waits and no engine runs."""
        while self._line.count or self._flying.count:
            if self._idle is None:
                self._idle = self._loop.create_future()
            await asyncio.shield(self._idle)

    async def aside(self, work: Callable[[Backend], T], engine: Executor) -> T:
        """`work` on a thread of `engine`. Nobody is told of it: who watches what clients ask does
        not see it. It takes no place, so no request waits for its end."""
        if self._is_closed:
            raise errors.Unavailable("the version was unloaded")
        running = self._loop.run_in_executor(engine, work, self._backend)
        try:
            return await asyncio.shield(running)
        finally:
            if not running.done():  # whoever asked left; the engine cannot
                await asyncio.wait([running])

    def close(self) -> None:
        """Refuse whatever comes, or waits still, from now on."""
        self._is_closed = True
        for one in list(self._line):
            self._line.remove(one)
            self._means.places.taken -= 1
            self._fail(one, errors.Unavailable("the version was unloaded"))
        for handle in (self._timer, self._alarm):
            if handle is not None:
                handle.cancel()
        self._means.engine.shutdown(wait=False)

    def _fitting(self, asked: Asked) -> Form:
        if self._is_closed:
            raise errors.Unavailable("the version was unloaded")
        found = self._forms.get(asked.call)
        if found is None:
            raise errors.InvalidInput(f"the model has no call {asked.call!r}")
        found.require_fit(asked.inputs)
        return found

    def _is_free_for(self, found: Form, size: int) -> bool:
        """Whether it may run here and now: with no batch to join, and nobody to overtake."""
        return (
            not self._line.count
            and self._flying.count < self._means.instances
            and found.pace.is_quick(size)
            and (not found.batches or (self._is_prompt and self._company.may_run()))
        )

    def _at_once(self, asked: Asked, found: Form, arrived: int, size: int) -> Outcome:
        # To ask how long it worked costs as much as all else here.
        worked = None if found.pace.is_tiny(size) else self._worked()
        outputs = batches.run(self._backend, asked)
        spent = self._clock() - arrived
        own = spent
        if worked is not None and spent >= QUICK_NS:
            own = pace.own(spent, self._worked().since(worked))
        found.pace.took(size, own, is_known=worked is not None)
        if found.batches:
            self._company.ran_alone()
        rows, times = found.rows(asked.inputs) or 1, Times(0, 0, spent, 0)
        self.statistics.alone(rows, times)
        return Outcome(outputs, times, rows)

    async def _in_turn(self, asked: Asked, found: Form, arrived: int, size: int) -> Outcome:
        rows = found.rows(asked.inputs)
        one = Waiting(asked, found.key(asked) if rows else None, rows=rows, size=size)
        seconds = min(asked.timeout_seconds or 1e9, self._means.deadline_seconds)
        one.arrived, one.deadline = arrived, arrived + int(seconds * 1e9)
        one.leaves = one.deadline
        one.future = self._loop.create_future()
        self._means.places.take()
        try:
            self._line.put(one)
        except PlimsollError:
            self._means.places.taken -= 1
            raise
        self._watch(one.leaves)
        self._wake()
        try:
            return await one.future
        finally:
            if not one.is_settled:
                self._withdraw(one)

    def _withdraw(self, one: Waiting) -> None:
        """Nobody waits for it. In an engine it keeps its place until the engine is done, which is
        soon where it can be told to stop."""
        one.is_settled = True
        if one.is_running:
            self._flying.give_up()
        else:
            self._line.remove(one)
            self._means.places.taken -= 1
            self._rest()

    def _wake(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Start what is due. What arrived in one turn of the loop is here by now."""
        self._is_woken = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._line.count and self._flying.count < self._means.instances:
            now = self._clock()
            members = self._line.next(now)
            if isinstance(members, int):
                self._wake_in(members - now)
                return
            for one in members:
                one.is_running = True
            if self._forms[members[0].asked.call].pace.is_quick(sum(one.size for one in members)):
                worked = self._worked()
                done = batches.execute(self._backend, members, self._clock)
                self._finish(members, done, self._worked().since(worked))
                if self._line.count:
                    self._wake()  # and let whatever else the loop has to do go first
                return
            self._means.engine.submit(self._work, self._flying.begin(members))

    def _wake_in(self, nanoseconds: int) -> None:
        if nanoseconds < _SHORTEST_TIMER_NS:
            self._wake()  # the loop turns until it is time
        else:
            self._timer = self._loop.call_later(nanoseconds // 1_000_000 / 1000, self._turn)

    def _work(self, flight: Flight) -> None:
        """On an engine's thread."""
        worked = self._worked()
        with stopping.heeding(flight.stop):
            done = batches.execute(self._backend, flight.members, self._clock)
        self._loop.call_soon_threadsafe(self._landed, flight, done, self._worked().since(worked))

    def _landed(self, flight: Flight, done: Done, worked: Worked) -> None:
        self._flying.land(flight)
        self._finish(flight.members, done, worked)
        self._turn()

    def _finish(self, members: list[Waiting], done: Done, worked: Worked) -> None:
        found = self._forms[members[0].asked.call]
        self._means.places.taken -= len(members)
        self._count(found, members, done, worked)
        for one, result in zip(members, done.results, strict=True):
            if one.is_settled:
                continue
            if isinstance(result, Outcome):
                one.is_settled = True
                if not one.future.done():
                    one.future.set_result(result)
            else:
                self._fail(one, result)
        self._rest()

    def _count(self, found: Form, members: list[Waiting], done: Done, worked: Worked) -> None:
        self._company.ran(len(members))
        outcomes = [result for result in done.results if isinstance(result, Outcome)]
        if done.is_whole:
            if outcomes:
                spent = pace.own(outcomes[0].times.compute, worked)
                found.pace.took(sum(one.size for one in members), spent)
                self.statistics.executed(outcomes[0].batch, outcomes[0].times)
            return
        for outcome in outcomes:
            self.statistics.executed(outcome.batch, outcome.times)
        if len(outcomes) == len(members):
            found.stack_refused()

    def _fail(self, one: Waiting, error: PlimsollError) -> None:
        one.is_settled = True
        if not one.future.done():
            one.future.set_exception(error)

    def _rest(self) -> None:
        if self._idle is not None and not self._line.count and not self._flying.count:
            self._idle.set_result(None)
            self._idle = None

    def _watch(self, when: int) -> None:
        """One timer for the earliest of all deadlines: most requests are long gone by theirs."""
        if self._alarm is not None:
            if self._alarm_at <= when:
                return
            self._alarm.cancel()
        self._alarm_at = when
        seconds = max(when - self._clock(), _SHORTEST_TIMER_NS) / 1e9
        self._alarm = self._loop.call_later(seconds, self._alarmed)

    def _alarmed(self) -> None:
        self._alarm = None
        now = self._clock()
        for one in [one for one in self._line if one.leaves <= now]:
            self._line.remove(one)
            self._means.places.taken -= 1
            self._fail(one, late(one, one.leaves))
        for one in self._flying.waiting():
            if one.deadline <= now:
                self._fail(one, late(one, one.deadline))
        self._flying.give_up()
        whens = [one.leaves for one in self._line]
        whens += [one.deadline for one in self._flying.waiting()]
        if whens:
            self._watch(min(whens))
        self._rest()
