"""`plan`: from what is desired, seen and remembered to what is to be done now. Pure.

Level-triggered: it starts from the facts each time, so a crash at any step, a newer commit or
a host that comes back all take the same path. A rollout passes its gates on all reachable
hosts together: verified before anything starts, accepted before any traffic moves, healthy
for the whole delay before any predecessor goes. In waves (`waves`), the middle gate is the
wave's; predecessors stay until the last wave. Between accepted and switched the hosts go through
their strategy's program together (`strategies`). A failure on one host sends all of them back.
"""

from collections.abc import Iterator, Mapping

from reconciler.core import (
    actions,
    askers,
    draining,
    gone,
    granting,
    holding,
    hooking,
    hostplan,
    leaving,
    losses,
    pinning,
    planned,
    resting,
    returning,
    shifting,
    waves,
)
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.experiments import steps as experiments
from reconciler.core.fleet import Fleet, Observed
from reconciler.core.following import steps as following
from reconciler.core.hostplan import Step
from reconciler.core.inputs import Asked, Changed
from reconciler.core.planned import Part, Plan, Steps
from reconciler.core.promotions import steps as promotions
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Rollouts
from reconciler.core.stage import Stage, View
from reconciler.core.strategies import ends, pursuit
from reconciler.core.strategies.progress import State

_NOT_VERIFIED = frozenset({Stage.UNVERIFIED, Stage.REFUSED, Stage.BLOCKED})
_NOT_BEGUN = _NOT_VERIFIED | {Stage.VERIFIED}
_NOT_ACCEPTED = _NOT_VERIFIED | {Stage.VERIFIED, Stage.STARTED, Stage.READY}
_WITHOUT_TRAFFIC = frozenset({Stage.STARTED, Stage.READY, Stage.ACCEPTED})
_NOT_BAKED = _NOT_ACCEPTED | {Stage.ACCEPTED, Stage.ROUTED}


def plan(desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float) -> Plan:
    """The next steps towards `desired`; `now` is seconds since the epoch."""
    return Planner().plan(desired, observed, rollouts, now)


class Planner:
    """Plans anew what has changed since it planned last; its plan is that of one that knows
    nothing yet. `renewed` is how many deployments that were."""

    def __init__(self) -> None:
        self.renewed = 0
        self.fleet: Fleet | None = None
        self._said: dict[str, Steps] = {}
        self._askers = askers.Askers()
        self._news = Changed()

    def plan(
        self, desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float
    ) -> Plan:
        """The next steps towards `desired`; `now` is seconds since the epoch."""
        if self.fleet is None:
            self.fleet, changed = Fleet(desired, observed, rollouts, now), Changed(everything=True)
        else:
            changed = self.fleet.move(desired, observed, rollouts, now)
        self._news.add(changed)
        doubtful = self._askers.doubtful(self.fleet, changed)
        if changed.commit:
            # Whoever has nothing to do has nothing that carries the commit.
            doubtful |= self._said.keys()
        for key in doubtful:
            self._renew(self.fleet, key)
        self.renewed = len(doubtful)
        return planned.joined(desired.commit, self._said)

    def news(self) -> Changed:
        """What has changed since this was last asked."""
        news, self._news = self._news, Changed()
        return news

    def steps(self, fleet: Fleet, key: str) -> Steps:
        """What the plan has about `key`, for an answer that is made of it."""
        fleet.also(self.asked(key))
        return self._said.get(key, ())

    def asked(self, key: str) -> Asked:
        """What the plan about `key` was made of."""
        return self._askers.asked(key)

    def _renew(self, fleet: Fleet, key: str) -> None:
        asked = fleet.asking()
        found = steps(fleet, key)
        self._askers.note(key, asked)
        self._said.pop(key, None)
        if found:
            self._said[key] = found
        elif not fleet.knows(key):
            self._askers.forget(key)


def steps(fleet: Fleet, key: str) -> Steps:
    """What is to be done and waited for about `key`."""
    found: list[tuple[Part, Action | Wait]] = []
    if not fleet.is_elsewhere(key):
        deployment = fleet.deployment(key)
        if deployment is not None and deployment.hosts:
            found += [(Part.ASKED_FOR, step) for step in _deployment(fleet, deployment)]
        elif deployment is not None:  # its hosts look after themselves, and tell Git nothing
            found += [(Part.ASKED_FOR, step) for step in following.steps(fleet, deployment)]
        if fleet.held(key):
            found += [(Part.HELD, step) for step in _held(fleet, key)]
        found += [(Part.STRAY_WISH, step) for step in granting.stray(fleet, key)]
        found += [(Part.FOR_GIT, step) for step in returning.withdrawals(fleet, key)]
        found += [(Part.FOR_GIT, step) for step in gone.steps(fleet, key)]
    return *found, *((Part.LEAVING, step) for step in leaving.prunes(fleet, key))


def _deployment(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    key = deployment.key
    yield from (fleet.absence(key, host) for host in deployment.hosts if not fleet.reaches(host))
    if (wish := granting.asked(fleet, key)) is not None:
        yield from granting.grant(fleet, deployment, wish)
        return
    yield from pinning.notes(fleet, deployment)
    yield from experiments.steps(fleet, deployment)
    yield from promotions.steps(fleet, deployment)
    yield from following.steps(fleet, deployment)
    if deployment.manifest.spec.suspend:
        yield from ends.suspended(fleet, deployment)
        yield Wait(key, None, Reason(Why.SUSPENDED, f"{deployment.path} says suspend: true"))
        return
    entry = fleet.rollout(key).quarantine_of(deployment.revision)
    if entry is not None:
        views = fleet.views(deployment)
        yield from ends.left(fleet, deployment)
        yield from returning.go_back(views, entry.reason)
        yield from returning.revert(fleet, deployment, views, entry)
        yield from hooking.failed(fleet, deployment, entry)
        return
    if not resting.is_at_rest(fleet, deployment):
        yield from on_hosts(fleet, deployment)


def on_hosts(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    """What is to be done and waited for on the hosts of a deployment that none of the above holds
    for; nothing where it is at rest (`resting`)."""
    views = fleet.views(deployment)
    lost = losses.of(fleet, deployment, views)
    if lost.first is not None:
        why = lost.failed[lost.first.host]
        yield from ends.sickened(fleet, lost.first, why)
        yield from returning.give_up(views, lost.first, why)
        return
    yield from losses.alone(lost, views)
    yield from draining.aside(fleet, deployment, lost.rest(views))
    rest = [view for view in lost.rest(views) if not draining.is_aside(fleet, view)]
    if rest:
        yield from _roll_out(fleet, deployment, rest, lost.brake)


def _roll_out(
    fleet: Fleet, deployment: Deployment, views: list[View], brake: Reason | None
) -> Iterator[Action | Wait]:
    failed = {view.host: why for view in views if (why := view.failure())}
    stages = {view.host: view.stage() for view in views if view.host not in failed}
    stuck = losses.stuck(deployment, stages)
    for view in views:
        if view.host in stuck:
            steps = hostplan.advance(view, stages.pop(view.host), [])
            yield from hostplan.held_back(view.seat, steps)
    views = [view for view in views if view.host not in stuck]
    moving = [view for view in views if stages.get(view.host) not in (None, Stage.SETTLED)]
    if not moving:
        yield from ends.left(fleet, deployment)
        yield from _look_after(views, failed)
        return
    wave = waves.of(fleet, deployment, views, stages, brake)
    facts = pursuit.Facts(tuple(views), stages, wave, fleet.common.analyses, fleet.now)
    found = pursuit.pursue(fleet, views, facts)
    yield from found.notes
    match found.state():
        case State.ABORTED:
            yield from returning.give_up(views, moving[0], shifting.abortion(found))
            return
        case State.ENDED:
            yield from shifting.ended(views)
        case _:
            yield from _move(fleet, deployment, facts, found, failed)
    yield from shifting.measures(found, facts)
    yield from shifting.waits(deployment.key, found)


def _look_after(views: list[View], failed: Mapping[str, Reason]) -> Iterator[Action | Wait]:
    for view in views:
        why = failed.get(view.host)
        steps = hostplan.stand_still(view, why) if why else hostplan.heal(view.seat, view.wanted)
        yield from hostplan.held_back(view.seat, steps)


def _move(
    fleet: Fleet,
    deployment: Deployment,
    facts: pursuit.Facts,
    found: pursuit.Pursuit,
    failed: Mapping[str, Reason],
) -> Iterator[Action | Wait]:
    stages, views = facts.stages, list(facts.views)
    held: list[Action | Wait] = []
    if not _NOT_BEGUN.isdisjoint(stages.values()):
        held = list(holding.back(fleet, deployment, views, stages))
    yield from held
    for view in views:
        stage = stages.get(view.host)
        if stage is None or stage is Stage.SETTLED:
            yield from _look_after([view], failed)
            continue
        if stage is Stage.VERIFIED and held:
            steps = hostplan.tend(view.seat, starting=view.wanted)
        else:
            steps = _advance(view, facts, found)
        yield from hostplan.held_back(view.seat, steps)
    moving = [view for view in views if stages.get(view.host) not in (None, Stage.SETTLED)]
    if found.state() in (None, State.DONE) and all(
        stages[view.host] is Stage.BAKED for view in moving
    ):
        judged = list(hooking.after(fleet, deployment, views, moving))
        yield from judged or [_settle(moving)]


def _advance(view: View, facts: pursuit.Facts, found: pursuit.Pursuit) -> Iterator[Step]:
    stages, wave = facts.stages, facts.wave
    stage = stages[view.host]
    has_begun = stage in _WITHOUT_TRAFFIC or (
        stage is Stage.VERIFIED and view.seat.instance_of(view.wanted) is not None
    )
    if has_begun and view.host not in wave.hosts:
        return returning.withdraw(view, wave.reason)
    if stage is Stage.ACCEPTED:
        laggards = _laggards(wave.among(stages), stage)
        return shifting.accepted(view, found, laggards)
    if stage not in (Stage.ROUTED, Stage.BAKED) and view.seat.shared:
        return shifting.take_back(view)
    if stage is Stage.VERIFIED and view.host not in wave.hosts:
        return hostplan.await_turn(view, wave.reason, wave.until)
    return hostplan.advance(view, stage, _laggards(stages, stage))


def _laggards(stages: Mapping[str, Stage], stage: Stage) -> list[str]:
    """The hosts for which a host at `stage` has to wait."""
    behind = {
        Stage.VERIFIED: _NOT_VERIFIED,
        Stage.ACCEPTED: _NOT_ACCEPTED,
        Stage.BAKED: _NOT_BAKED,
    }.get(stage, frozenset())
    return sorted(host for host, reached in stages.items() if reached in behind)


def _settle(moving: list[View]) -> actions.Settle:
    version = moving[0].wanted.version
    if any(view.candidate for view in moving):
        why = Reason(Why.SETTLED, f"version {version} has kept healthy with all traffic")
    else:
        why = Reason(Why.ADOPTED, f"version {version} was found verified, healthy and serving")
    specs = tuple(view.wanted for view in moving)
    return actions.Settle(moving[0].deployment.key, specs, why)


def _held(fleet: Fleet, key: str) -> Iterator[Action | Wait]:
    """Its file is wrong: what serves is kept alive, nothing else changes."""
    yield Wait(key, None, Reason(Why.INVALID_FILE, fleet.held(key)[0].detail))
    for host in sorted(filter(fleet.reaches, fleet.places(key))):
        seat = fleet.seat(key, host)
        yield from hostplan.held_back(seat, hostplan.keep(seat))
