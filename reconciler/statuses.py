"""Tells the registry how every deployment does, when that changes and again from time to time.

A side channel: when the registry does not answer, the next round tries again, and nothing waits.
A round tells for a bounded time. What has changed goes first; what only stands at another commit
now, or was told a while ago, comes after it, in the rounds that follow if need be.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import structlog

from reconciler import client
from reconciler.core import askers, desired, plan, remote, status
from reconciler.core.fleet import Fleet
from registry import errors
from registry.core import canonical

_REPEAT_S = 60.0
_REPEATS_A_SECOND = 10.0
_PATIENCE_S = 0.5

Reports: TypeAlias = Mapping[str, remote.Report]
Remote: TypeAlias = Mapping[str, tuple[str, ...]]
Show: TypeAlias = Callable[[str, status.Document], None]

log = structlog.get_logger()


class Reporting(Protocol):
    """What the loop tells at the end of each round; `is_behind` where there is more to tell."""

    is_behind: bool

    def report(self, planner: plan.Planner, state: desired.DesiredState, now: float) -> None:
        """Let it be known; raises nothing where nobody listens."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A digest of what was reported last, and when: for many, the words themselves are much."""

    digest: bytes
    at: float


def _nowhere(key: str, document: status.Document) -> None:
    """For who asked for no numbers."""


class Statuses:
    """Remembers what was reported last, to stay quiet while nothing changes. `show` is given each
    status that is due for telling, empty where there is none any more."""

    def __init__(
        self,
        registry: client.Registry,
        reports: Callable[[], Reports] = dict,
        *,
        show: Show = _nowhere,
        watch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._show = show
        self._reports = reports
        self._heard: Reports = {}
        self._watch = watch
        self._askers = askers.Askers()
        self._git: status.Git | None = None
        # By the time of telling: the first is the oldest.
        self._told: dict[str, _Told] = {}
        self._now: dict[str, None] = {}
        self._later: dict[str, None] = {}
        self.is_behind = False

    def report(self, planner: plan.Planner, state: desired.DesiredState, now: float) -> None:
        """Send what is new since the last time, as `planner` has it."""
        fleet, news = planner.fleet, planner.news()
        if fleet is None:
            return
        self._now |= dict.fromkeys(sorted(self._askers.doubtful(fleet, news)))
        git = status.Git.of(state)
        if git != self._git:
            self._git = git
            self._later |= dict.fromkeys(sorted(fleet.keys()))
        self._repeat(now)
        self._hear(state.remote)
        try:
            self._tell(planner, fleet, git, state.remote, now)
        except errors.PlimsollError as error:
            self.is_behind = False
            log.warning("status not reported", error=error.detail)

    def _hear(self, remote_hosts: Remote) -> None:
        """What agents tell of a host may change the status of what is deployed there."""
        before, self._heard = self._heard, self._reports()
        if before is self._heard:
            return
        news = {host for host, one in self._heard.items() if one.is_news(before.get(host))}
        news |= before.keys() - self._heard.keys()
        self._now |= {key: None for key, on in remote_hosts.items() if not news.isdisjoint(on)}

    def _tell(
        self,
        planner: plan.Planner,
        fleet: Fleet,
        git: status.Git,
        remote_hosts: Remote,
        now: float,
    ) -> None:
        end = self._watch() + _PATIENCE_S
        for due in (self._now, self._later):
            while due:
                key = next(iter(due))
                asked = fleet.asking()
                document = status.document(fleet, key, git, planner.steps)
                document = remote.joined(document, key, remote_hosts.get(key, ()), self._heard)
                planned = planner.asked(key)
                self._askers.note(key, planned if asked == planned else asked)
                self._show(key, document)
                if document:
                    self._put(key, document, now)
                else:
                    self._withdraw(key, fleet)
                self._now.pop(key, None)
                self._later.pop(key, None)
                if self._watch() > end:
                    self.is_behind = bool(self._now or self._later)
                    return
        self.is_behind = False

    def _put(self, key: str, document: status.Document, now: float) -> None:
        digest = hashlib.sha256(canonical.encode(document)).digest()
        known = self._told.get(key)
        if known is None or known.digest != digest or self._is_due(known, now):
            self._registry.report(key, document)
            self._told.pop(key, None)
            self._told[key] = _Told(digest, now)

    def _withdraw(self, key: str, fleet: Fleet) -> None:
        if key in self._told:
            if not fleet.is_elsewhere(key):
                self._registry.withdraw(key)
            del self._told[key]
        if not fleet.knows(key):
            self._askers.forget(key)

    def _repeat(self, now: float) -> None:
        """Not all at once, and where they are many not so often: the registry is told."""
        for key, told in self._told.items():
            if not self._is_due(told, now):
                return
            self._later[key] = None

    def _is_due(self, told: _Told, now: float) -> bool:
        """Also where the clock was set back: nothing was told later than now."""
        return not 0 <= now - told.at < self._every()

    def _every(self) -> float:
        return max(_REPEAT_S, len(self._told) / _REPEATS_A_SECOND)
