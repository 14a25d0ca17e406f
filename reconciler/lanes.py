"""One lane per host: what is asked of a host happens in order, and hosts never wait for each other.

A lane is one thread. Looking at all hosts waits a bounded time; a host that has not answered
by then is `Unreachable` for this round, and one that is busy acting shows its last state.

Every round looks at every host, up to as many as can be looked at every two seconds. Where there
are more, a host on which nothing happens, as its engine tells us, is looked at less often.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from reconciler import probe, watching
from reconciler.core import kinds
from reconciler.core.observed import Health, HostState, Instance, Phase, Unreachable
from reconciler.engines.protocol import Engine
from registry import errors

Look = HostState | Unreachable
Connect = Callable[[str, kinds.Host], Engine]

_PROBE_TIMEOUT_S = 2.0
_CLOSING_S = 20.0
_LOOKS_A_SECOND = 50.0
_EVERY_ROUND_S = 2.0


class Lane:
    """One host. `last` is what was seen last; `busy` while actions run."""

    def __init__(self, name: str, kind: kinds.Host, engine: Engine) -> None:
        self.name = name
        self.kind = kind
        self.engine = engine
        self.last: Look = Unreachable(name, "has not answered yet")
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"host-{name}")
        self._looking: Future[Look] | None = None
        self.acting: Future[None] | None = None
        self._watcher: watching.Watcher | None = None
        self._was_busy = False
        self._stirred = True
        self._look_again_at = 0.0

    @property
    def busy(self) -> bool:
        """Whether actions are still running."""
        return self.acting is not None and not self.acting.done()

    @property
    def is_open(self) -> bool:
        """Whether what was seen last is how the host was after all that was done there."""
        return not self.busy and not self._was_busy

    def watch(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever something happens on the host."""

        def stir() -> None:
            self._stirred = True
            wake()

        if self._watcher is None:
            self._watcher = watching.Watcher(self.name, listen=self.engine.changes, wake=stir)

    def is_quiet(self, now: float) -> bool:
        """Whether what was seen last is still so, as far as anybody who listens can tell."""
        return (
            self._watcher is not None
            and self._watcher.is_listening
            and not self._stirred
            and now < self._look_again_at
            and isinstance(self.last, HostState)
            and not any(map(_can_say_more, self.last.instances))
        )

    def start_looking(self, *, again_at: float) -> "Future[Look] | None":
        """Begin to look; returns what to wait for, which a host that was late before is not.

        Without cause, it is not looked at again before `again_at`.
        """
        self._was_busy = self.busy
        if self._was_busy:
            return None
        if self.acting is not None:
            self.acting.result()  # a defect in slow work shows here, not never
            self.acting = None
        if self._looking is not None:
            return None
        # In this order: what happens while we look is a cause to look again.
        self._stirred, self._look_again_at = False, again_at
        self._looking = self._worker.submit(_look, self.name, self.engine)
        return self._looking

    def seen(self) -> Look:
        """The outcome of `start_looking`, or why there is none."""
        if self._looking is not None:
            if self._looking.done():
                found, self._looking = self._looking.result(), None
                # The same object says more quickly that nothing changed.
                self.last = self.last if found == self.last else found
            else:
                self.last = Unreachable(self.name, "does not answer in time")
        return self.last

    def act(self, work: Callable[[], None]) -> "Future[None]":
        """Run `work` on this lane."""
        self._stirred = True
        self.acting = self._worker.submit(work)
        return self.acting

    def wind_up(self) -> "Future[None] | None":
        """Begin nothing more; returns what still runs."""
        if self._watcher is not None:
            self._watcher.close()
        self._worker.shutdown(wait=False, cancel_futures=True)
        # What waited behind a look will never run, nor tell anybody who waits for it.
        return None if self.acting is None or self.acting.cancelled() else self.acting

    def close(self) -> None:
        """Let go; what runs now ends by itself."""
        self.wind_up()
        self.engine.close()


class Lanes:
    """All hosts that are declared now."""

    def __init__(self, connect: Connect, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._failed: dict[str, Unreachable] = {}
        self._wake: Callable[[], None] | None = None

    def watch(self, wake: Callable[[], None]) -> None:
        """Have `wake` called whenever something happens on any host, from now on."""
        self._wake = wake
        for lane in self._lanes.values():
            lane.watch(wake)

    def follow(self, hosts: Mapping[str, kinds.Host]) -> None:
        """Open lanes for new hosts, and renew those whose declaration changed."""
        for name, lane in list(self._lanes.items()):
            if hosts.get(name) != lane.kind and not lane.busy:
                self._lanes.pop(name).close()
        self._failed = {}
        for name, kind in hosts.items():
            if name not in self._lanes:
                try:
                    lane = Lane(name, kind, self._connect(name, kind))
                except errors.PlimsollError as error:
                    self._failed[name] = Unreachable(name, error.detail)
                    continue
                self._lanes[name] = lane
                if self._wake is not None:
                    lane.watch(self._wake)

    def look(self, *, timeout_s: float) -> dict[str, Look]:
        """Every host as it is now, in parallel."""
        now, every = self._clock(), len(self._lanes) / _LOOKS_A_SECOND
        waiting = []
        for lane in self._lanes.values():
            if every > _EVERY_ROUND_S and lane.is_quiet(now):
                continue
            # Not all in one round.
            again_at = now + every * random.uniform(0.5, 1.5)  # noqa: S311  not a secret
            if (future := lane.start_looking(again_at=again_at)) is not None:
                waiting.append(future)
        wait(waiting, timeout=timeout_s)
        return {name: lane.seen() for name, lane in self._lanes.items()} | self._failed

    def engines(self) -> dict[str, Engine]:
        """The engines of hosts with a lane."""
        return {name: lane.engine for name, lane in self._lanes.items()}

    def busy(self) -> list[str]:
        """The hosts on which actions are still running."""
        return [name for name, lane in self._lanes.items() if lane.busy]

    def open(self) -> set[str]:
        """The hosts that were seen, last, as they are after all that was done there."""
        return {name for name, lane in self._lanes.items() if lane.is_open}

    def act(self, work: Mapping[str, Callable[[], None]], *, patience_s: float) -> None:
        """Run `work` per host in parallel; slow ones are left running. Hosts that were busy when
        they were looked at are left out, since `work` was made from how they were before; and
        once one of those is free nobody is waited for any more.
        """
        lanes = {name: self._lanes[name] for name in work if name in self._lanes}
        late = {one.acting for one in lanes.values() if not one.is_open and one.acting}
        started = {one.act(work[name]) for name, one in lanes.items() if one.is_open}
        for future in _ended(started, late, patience_s):
            future.result()

    def close(self) -> None:
        """Close every lane, and wait for what runs: the leases on its host are still ours."""
        running = [acting for lane in self._lanes.values() if (acting := lane.wind_up())]
        wait(running, timeout=_CLOSING_S)
        for lane in self._lanes.values():
            lane.close()


def _ended(
    started: set[Future[None]], late: set[Future[None]], patience_s: float
) -> set[Future[None]]:
    """Those of `started` that have ended when all have, one of `late` has, or it took too long."""
    ended: set[Future[None]] = set()
    end = time.monotonic() + patience_s
    while started - ended and not any(one.done() for one in late):
        left = end - time.monotonic()
        found = wait((started - ended) | late, max(left, 0.0), return_when=FIRST_COMPLETED).done
        ended |= found & started
        if not found:
            break
    return ended


def _look(name: str, engine: Engine) -> Look:
    try:
        state = engine.observe()
    except errors.PlimsollError as error:
        return Unreachable(name, error.detail)
    return replace(state, instances=tuple(_asked(engine, state.instances)))


def _asked(engine: Engine, instances: Sequence[Instance]) -> list[Instance]:
    """Instances that the engine does not call healthy are asked themselves: that is faster,
    and only they can say why."""
    return [_ask(engine, one) if _can_say_more(one) else one for one in instances]


def _can_say_more(instance: Instance) -> bool:
    """One replica that answers says nothing of those that do not run yet."""
    is_open = instance.health not in (Health.HEALTHY, Health.REFUSED)
    return instance.phase is Phase.RUNNING and is_open and not instance.missing


def _ask(engine: Engine, instance: Instance) -> Instance:
    try:
        with probe.Probe(engine.preview(instance.name), timeout_s=_PROBE_TIMEOUT_S) as asked:
            seen = asked.seen(instance)
    except errors.PlimsollError as error:
        return replace(instance, detail=error.detail)
    return replace(instance, health=seen.health, detail=seen.detail)
