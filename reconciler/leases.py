"""Which hosts this reconciler may act on now: all of them, or those that it has a lease on.

With leases several reconcilers share a fleet. Whoever cannot renew in time acts on nothing more,
well before anybody else may: what serves goes on, and the engine brings back what dies. A lease
is not counted on for its last seconds, so that a call to an engine that was begun in time ends
before the lease does. Its end is told by a clock that runs on while the machine sleeps.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import structlog

from reconciler import client, lanes
from reconciler.core import shares
from reconciler.core.desired import DesiredState
from reconciler.core.rollout import Rollouts
from reconciler.engines.protocol import Engine
from registry import errors

# The longest that one call to an engine may take.
_CALL_S = 10.0

log = structlog.get_logger()


class Sharing(Protocol):
    """What the loop asks before it looks, plans and acts."""

    def share(self, state: DesiredState, busy: Collection[str]) -> DesiredState:
        """What of `state` is ours and may be acted on; hosts that are `busy` stay ours."""

    def known(self, rollouts: Rollouts, state: DesiredState) -> Rollouts:
        """What is remembered of what `share` gave."""

    def fenced(self, connect: lanes.Connect) -> lanes.Connect:
        """`connect`, but with engines that change nothing on a host that is not ours."""

    def close(self) -> None:
        """Let others have our hosts."""


@dataclass(frozen=True, slots=True)
class Alone:
    """The only reconciler there is: everything is ours."""

    def share(self, state: DesiredState, busy: Collection[str]) -> DesiredState:  # noqa: ARG002
        """All of it."""
        return state

    def known(self, rollouts: Rollouts, state: DesiredState) -> Rollouts:  # noqa: ARG002
        """All of it."""
        return rollouts

    def fenced(self, connect: lanes.Connect) -> lanes.Connect:
        """As it is."""
        return connect

    def close(self) -> None:
        """Nobody waits."""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the registry answered last, and until when (`_now`) that is counted on."""

    epochs: Mapping[str, int] = field(default_factory=dict)
    reconcilers: tuple[str, ...] = ()
    until: float = 0.0


class Leases:
    """Renewed by a thread of their own, three times in the time that they last.

    `adopt` is told which hosts have become ours, before anything is planned for them.
    """

    def __init__(
        self,
        registry: client.Registry,
        *,
        holder: str,
        seconds: int,
        remembered: Callable[[], Rollouts],
        adopt: Callable[[Collection[str]], None],
    ) -> None:
        self._registry = registry
        self._holder = holder
        self._seconds = seconds
        self._remembered = remembered
        self._adopt = adopt
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._wanted: frozenset[str] = frozenset()
        self._held = _Held()
        self._groups: tuple[DesiredState, list[frozenset[str]]] | None = None
        self._adopted: dict[str, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._thread.start()

    def share(self, state: DesiredState, busy: Collection[str]) -> DesiredState:
        """What of `state` is ours and may be acted on; hosts that are `busy` stay ours."""
        groups = self._grouped(state)
        self._want(groups, busy)
        held, reconcilers = self._current()
        ours = self._taken_over(shares.whole(groups, held), held)
        is_first = self._holder == min(reconcilers, default=self._holder)
        return shares.restricted(state, self._remembered(), ours, is_first=is_first)

    def _grouped(self, state: DesiredState) -> list[frozenset[str]]:
        """Once for each commit: with many deployments it takes longer than all else here."""
        if self._groups is None or self._groups[0] is not state:
            self._groups = state, shares.groups(state.hosts, shares.together(state))
        return self._groups[1]

    def held(self) -> Collection[str]:
        """The hosts that the registry has given us, and that are counted on now; asks nobody."""
        return self._current()[0].keys()

    def known(self, rollouts: Rollouts, state: DesiredState) -> Rollouts:
        """What is remembered of the hosts of `state`."""
        return shares.known(rollouts, state.hosts)

    def require(self, host: str) -> None:
        """Raise Conflict unless `host` is ours now; asks nobody."""
        held, _ = self._current()
        if host not in held or held[host] != self._adopted.get(host):
            raise errors.Conflict(
                f"{self._holder} has no lease on {host} any more",
                fix="nothing: another reconciler acts there, or this one takes the lease again",
            )

    def fenced(self, connect: lanes.Connect) -> lanes.Connect:
        """Engines that ask `require` before each call that could change something."""
        return lambda name, kind: cast(
            "Engine", Fenced(connect(name, kind), lambda: self.require(name))
        )

    def close(self) -> None:
        """Stop renewing, and let others have the hosts at once."""
        self._ended.set()
        self._thread.join()
        with self._lock:
            self._held = _Held()
        try:
            self._registry.release_hosts(self._holder)
        except errors.PlimsollError as error:
            log.warning("leases not released: others wait until they end", error=error.detail)

    def _want(self, groups: list[frozenset[str]], busy: Collection[str]) -> None:
        """Ask for what is to be ours by now; what is busy is let go when it no longer is."""
        held, reconcilers = self._current()
        wanted = shares.wanted(groups, holder=self._holder, reconcilers=reconcilers)
        wanted |= frozenset(busy) & held.keys()
        if wanted != self._wanted:
            self._wanted = wanted
            self._renew()

    def _current(self) -> tuple[Mapping[str, int], tuple[str, ...]]:
        with self._lock:
            held = self._held
        return (held.epochs if _now() < held.until else {}), held.reconcilers

    def _taken_over(self, whole: frozenset[str], held: Mapping[str, int]) -> frozenset[str]:
        """Those of `whole` of which we know all that is to be known; learns it of new ones."""
        gained = {host for host in whole if self._adopted.get(host) != held[host]}
        if gained:
            try:
                self._adopt(gained)
            except errors.PlimsollError as error:
                log.warning("not acting on new hosts yet", error=error.detail)
                return whole - gained
            self._adopted |= {host: held[host] for host in gained}
            log.info("hosts taken over", hosts=sorted(gained))
        return whole

    def _keep(self) -> None:
        while not self._ended.wait(self._seconds / 3):
            self._renew()

    def _renew(self) -> None:
        """One question at a time: each lets go of what it does not name, so that an older one must
        not come to the registry after a newer one, whose answer is believed."""
        with self._asking:
            began = _now()
            try:
                answer = self._registry.lease_hosts(
                    self._holder, sorted(self._wanted), seconds=self._seconds
                )
            except errors.PlimsollError as error:
                log.warning("leases not renewed", error=error.detail)
                return
            found = _Held(answer.held, answer.reconcilers, began + self._seconds - _CALL_S)
            with self._lock:
                if not self._ended.is_set() and found.until >= self._held.until:
                    self._held = found


_READING = frozenset(
    {"observe", "preflight", "preview", "front", "logs", "resources", "changes", "close"}
)


class Fenced:
    """An engine that asks `require` before each call that could change something.

    Whatever is not known to change nothing is taken to do so.
    """

    def __init__(self, engine: Engine, require: Callable[[], None]) -> None:
        self._engine = engine
        self._require = require

    def __getattr__(self, name: str) -> object:
        asked = getattr(self._engine, name)
        if name in _READING or not callable(asked):
            return asked

        def guarded(*args: object, **named: object) -> object:
            self._require()
            return asked(*args, **named)

        return guarded


def _now() -> float:
    """Seconds; the monotonic clock stands still while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
