"""The loop: gather, plan, apply; the same three lines at the first start and after a crash."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from reconciler import (
    beside,
    effects,
    following,
    host_reports,
    journal,
    lanes,
    leases,
    memory,
    metrics,
    source,
    statuses,
    tracing,
)
from reconciler.core import (
    actions,
    desired,
    outcomes,
    plan,
    planned,
    wording,
)
from reconciler.core.experiments import applied
from reconciler.core.observed import HostState, Unreachable
from reconciler.core.reasons import Why
from reconciler.core.rollout import NO_ROLLOUT, Rollouts

_LOOK_TIMEOUT_S = 3.0
_FETCH_PATIENCE_S = 2.0
# A slow action on one host must not keep what happens on another waiting.
_APPLY_PATIENCE_S = 1.0
_BUSY_PAUSE_S = 0.1
_IDLE_PAUSE_S = 2.0
# What happens on a host comes in bursts, and one look sees all of it.
_GATHERING_S = 0.02
_SOON_OVER = frozenset({Why.WAITING_FOR_HEALTH, Why.WAITING_FOR_HOSTS})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gathered:
    """One look at everything; `desired` is what `git` asks for, but for what is pinned or tried."""

    git: desired.DesiredState
    desired: desired.DesiredState
    observed: Mapping[str, lanes.Look]
    rollouts: Rollouts
    now: float


@dataclass(kw_only=True)
class Loop:
    """One reconciler. `clock` gives seconds since the epoch."""

    source: source.Source
    leases: leases.Sharing
    follower: following.Follower
    lanes: lanes.Lanes
    memory: memory.Memory
    journal: journal.Journal
    effects: effects.Effects
    statuses: statuses.Reporting
    metrics: metrics.Metrics
    reports: host_reports.Reporting = field(default_factory=host_reports.Unreported)
    traces: tracing.Traces = field(default_factory=tracing.Untraced)
    clock: Callable[[], float] = time.time
    _wake: threading.Event = field(default_factory=threading.Event)
    _git: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _planner: plan.Planner = field(default_factory=plan.Planner)
    _proposing: Future[None] | None = None
    _measuring: beside.Beside = field(init=False)
    _testing: beside.Beside = field(init=False)
    _is_over: bool = False

    def __post_init__(self) -> None:
        self._measuring = beside.Beside(self._wake.set)
        self._testing = beside.Beside(self._wake.set)

    def hint(self) -> None:
        """Something may have been pushed: look now."""
        self.source.hint()
        self._wake.set()

    def notice(self) -> None:
        """Something happened on a host: look at the hosts now, and leave Git be."""
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop` is set; a hint, a notice or the pause's end wakes the loop."""
        self.lanes.watch(self.notice)
        self.follower.watch(self.notice)
        while not stop.is_set():
            if self._wake.wait(self.tick()):
                stop.wait(_GATHERING_S)
            self._wake.clear()
        self._is_over = True
        self._measuring.close()
        self._testing.close()

    def tick(self) -> float:
        """One round; returns for how many seconds nothing is likely to change."""
        with self.metrics.reconciling():
            found = self.gather()
            if found is None:
                return _IDLE_PAUSE_S
            wanted = self._planner.plan(found.desired, found.observed, found.rollouts, found.now)
            self.traces.planned(wanted.actions, found.git.commit, found.now, self.clock())
            self.apply(wanted, found)
        self.reports.follow(found.git.hosts, found.observed, self.lanes.engines())
        known = self.leases.known(self.memory.rollouts(), found.git)
        state = applied.wanted(found.git, known, found.now)
        self._planner.plan(state, found.observed, known, found.now)
        self.statuses.report(self._planner, state, found.now)
        self.journal.flush()
        self.effects.attester.flush()
        return _BUSY_PAUSE_S if self.statuses.is_behind else _pause(wanted, self.clock())

    def gather(self) -> Gathered | None:
        """The desired state, every host as it is, what is remembered, the time.

        None before the repository was ever read.
        """
        state = self.source.state(patience_s=_FETCH_PATIENCE_S)
        self.metrics.git(self.source.fetched_at, failing=bool(self.source.error))
        if state is None:
            log.warning("no desired state yet", error=self.source.error)
            return None
        tested = [name.partition(" ")[0] for name in self._testing.running()]
        state = self.leases.share(state, [*self.lanes.busy(), *tested])
        state = self.follower.applied(state)
        self.lanes.follow(state.hosts)
        left = self.journal.left()
        observed = self.lanes.look(timeout_s=_LOOK_TIMEOUT_S)
        self._settle(left, observed)
        now = self.clock()
        rollouts = self.leases.known(self.memory.look(observed, now, state), state)
        return Gathered(state, applied.wanted(state, rollouts, now), observed, rollouts, now)

    def _settle(
        self, left: Collection[str], observed: Mapping[str, HostState | Unreachable]
    ) -> None:
        """What was under way when somebody died, or whose answer was lost, is told now."""
        is_open = self.lanes.open() if left else set()
        seen = {
            name: look
            for name, look in observed.items()
            if name in is_open and isinstance(look, HostState)
        }
        for gone in self.journal.settle(left, seen):
            self.effects.permits.forget(gone)

    def apply(self, wanted: planned.Plan, found: Gathered) -> None:
        """Every host's actions in order, hosts in parallel; slow ones go on by themselves."""
        self.effects.judge.tell_held(wanted.waits, found.desired)
        by_host: dict[str, list[actions.Action]] = {}
        for action in wanted.actions:
            if isinstance(action, actions.ForGit):
                self._propose(action, found.desired)
            elif isinstance(action, actions.Accept):
                self._test(action, found.desired)
            elif isinstance(action, actions.Beside):
                self._beside(action, found.desired)
            elif isinstance(action, actions.Note):
                self._perform(action, found.desired)
            else:
                by_host.setdefault(action.host, []).append(action)
        self.lanes.act(
            {host: self._job(todo, found.desired) for host, todo in by_host.items()},
            patience_s=_APPLY_PATIENCE_S,
        )

    def _propose(self, action: actions.ForGit, state: desired.DesiredState) -> None:
        """One push at a time, beside the loop: the plan asks again until it is done."""
        if self._proposing is not None and self._proposing.done():
            self._proposing.result()
            self._proposing = None
        if self._proposing is None:
            self._proposing = self._git.submit(self._perform, action, state)

    def _beside(self, action: actions.Beside, state: desired.DesiredState) -> None:
        """Beside the hosts' lanes: whom it asks may be slow, and going back must not wait."""
        group = actions.deployment_of(action)
        name = f"{action.verb} {group}"
        self._measuring.begin(name, lambda: self._perform(action, state), group=group)

    def _test(self, action: actions.Accept, state: desired.DesiredState) -> None:
        """Beside its host's lane: tests may take long, and other deployments must not wait.

        What ended since the plan was made is not done twice.
        """
        rollout = self.memory.rollouts().get(action.spec.deployment, NO_ROLLOUT)
        candidate = rollout.on(action.host).candidate
        if candidate is not None and candidate.acceptance is None:
            group = action.spec.deployment
            name = f"{action.host} {group}"
            self._testing.begin(name, lambda: self._perform(action, state), group=group)

    def _job(self, todo: list[actions.Action], state: desired.DesiredState) -> Callable[[], None]:
        def job() -> None:
            for action in todo:
                if self._is_over:
                    return
                self._perform(action, state)

        return job

    def _perform(self, action: actions.Action, state: desired.DesiredState) -> None:
        line = wording.render(action)
        log.info("action", line=line)
        self.memory.intend(action, self.clock())
        with self.traces.acting(action, state.commit) as ended:
            outcome = self.effects.perform(action, state, self.lanes.engines())
            ended(outcome)
        self.memory.conclude(action, outcome, self.clock())
        self.metrics.action(action, outcome)
        if isinstance(outcome, outcomes.Failed):
            log.warning("action failed", line=line, error=outcome.detail)
        elif isinstance(outcome, outcomes.Preflighted) and outcome.reasons:
            log.warning("refused", line=line, reasons=list(outcome.reasons))


def _pause(done: planned.Plan, now: float) -> float:
    """Short while something is under way; never past the time at which a wait ends."""
    if done.actions or any(wait.reason.code in _SOON_OVER for wait in done.waits):
        return _BUSY_PAUSE_S
    if done.next_at is None:
        return _IDLE_PAUSE_S
    return min(max(done.next_at - now, _BUSY_PAUSE_S), _IDLE_PAUSE_S)
