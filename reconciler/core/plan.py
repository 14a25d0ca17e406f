"""`plan`: from what is desired, seen and remembered to what is to be done now. Pure.

Level-triggered: it starts from the facts each time, so a crash at any step, a newer commit or
a host that comes back all take the same path. A rollout passes its gates on all reachable
hosts together: verified before anything starts, accepted before any traffic moves, healthy
for the whole delay before any predecessor goes. In waves (`waves`), the middle gate is the
wave's; predecessors stay until the last wave. Between accepted and switched the hosts go through
their strategy's program together (`strategies`). A failure on one host sends all of them back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core import (
    actions,
    granting,
    holding,
    hostplan,
    losses,
    returning,
    shifting,
    waves,
    wording,
)
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.fleet import Fleet, Observed
from reconciler.core.hostplan import Step
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Rollouts
from reconciler.core.stage import Stage, View
from reconciler.core.strategies import pursuit
from reconciler.core.strategies.progress import State
from registry.core.canonical import Json

_SHORT = frozenset({Why.WAITING_FOR_HEALTH, Why.WAITING_FOR_HOSTS})
_NOT_VERIFIED = frozenset({Stage.UNVERIFIED, Stage.REFUSED, Stage.BLOCKED})
_NOT_BEGUN = _NOT_VERIFIED | {Stage.VERIFIED}
_NOT_ACCEPTED = _NOT_VERIFIED | {Stage.VERIFIED, Stage.STARTED, Stage.READY}
_WITHOUT_TRAFFIC = frozenset({Stage.STARTED, Stage.READY, Stage.ACCEPTED})
_NOT_BAKED = _NOT_ACCEPTED | {Stage.ACCEPTED, Stage.ROUTED}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do at `commit`, in this order, and what is waited for."""

    commit: str
    actions: tuple[Action, ...]
    waits: tuple[Wait, ...]

    @property
    def is_progressing(self) -> bool:
        """Whether another look, very soon, is likely to find more to do."""
        return bool(self.actions) or any(wait.reason.code in _SHORT for wait in self.waits)

    @property
    def next_at(self) -> float | None:
        """When, at the earliest, time alone changes the plan; seconds since the epoch."""
        return min((wait.until for wait in self.waits if wait.until is not None), default=None)

    def document(self) -> dict[str, Json]:
        """The JSON form."""
        return {
            "commit": self.commit,
            "actions": [wording.document(action) for action in self.actions],
            "waits": [wording.wait_document(wait) for wait in self.waits],
        }

    def render(self) -> str:
        """The dry run: one line an action, then one a wait; hosts that wait alike share one."""
        lines = [wording.render(action) for action in self.actions]
        alike: dict[tuple[str, Reason], list[str]] = {}
        for wait in self.waits:
            alike.setdefault((wait.deployment, wait.reason), []).append(wait.host or "fleet")
        lines += [
            f"{', '.join(hosts)}: wait {deployment} ({reason.code}: {reason.text})"
            for (deployment, reason), hosts in alike.items()
        ]
        return "\n".join(lines) or "nothing to do"


def plan(desired: DesiredState, observed: Observed, rollouts: Rollouts, now: float) -> Plan:
    """The next steps towards `desired`; `now` is seconds since the epoch."""
    fleet = Fleet(desired, observed, rollouts, now)
    steps: list[Action | Wait] = []
    for key in sorted(desired.deployments.keys() - desired.elsewhere):
        steps += _deployment(fleet, desired.deployments[key])
    for key in sorted(desired.held.keys() - desired.elsewhere):
        steps += _held(fleet, key)
    steps += granting.strays(fleet)
    steps += _prunes(fleet)
    done = [step for step in steps if not isinstance(step, Wait)]
    return Plan(
        commit=desired.commit,
        actions=tuple(sorted(done, key=_order)),
        waits=tuple(step for step in steps if isinstance(step, Wait)),
    )


def _deployment(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    key = deployment.key
    yield from (fleet.absence(key, host) for host in deployment.hosts if host not in fleet.states)
    if (wish := granting.asked(fleet, key)) is not None:
        yield from granting.grant(fleet, deployment, wish)
        return
    if deployment.manifest.spec.suspend:
        yield from pursuit.suspended(fleet, deployment)
        yield Wait(key, None, Reason(Why.SUSPENDED, f"{deployment.path} says suspend: true"))
        return
    views = fleet.views(deployment)
    entry = fleet.rollout(key).quarantine_of(deployment.revision)
    if entry is not None:
        yield from returning.go_back(views, entry.reason)
        yield from returning.revert(fleet, deployment, views, entry)
        return
    lost = losses.of(fleet, deployment, views)
    if lost.first is not None:
        why = lost.failed[lost.first.host]
        yield from pursuit.sickened(fleet, lost.first, why)
        yield from returning.give_up(views, lost.first, why)
        return
    yield from losses.alone(lost, views)
    if rest := lost.rest(views):
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
        yield from _look_after(views, failed)
        return
    wave = waves.of(fleet, deployment, views, stages, brake)
    facts = pursuit.Facts(tuple(views), stages, wave, fleet.desired.analyses, fleet.now)
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
    held: list[Reason] = []
    if not _NOT_BEGUN.isdisjoint(stages.values()):
        held = holding.why(fleet, deployment, views)
    yield from (Wait(deployment.key, None, why) for why in held)
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
        yield _settle(moving)


def _advance(view: View, facts: pursuit.Facts, found: pursuit.Pursuit) -> Iterator[Step]:
    stages, wave = facts.stages, facts.wave
    stage = stages[view.host]
    if stage in _WITHOUT_TRAFFIC and view.host not in wave.hosts:
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
    problem = fleet.desired.held[key][0]
    yield Wait(key, None, Reason(Why.INVALID_FILE, problem.detail))
    for host in sorted(fleet.states):
        if key in fleet.remains[host] or host in fleet.rollout(key).hosts:
            seat = fleet.seat(key, host)
            yield from hostplan.held_back(seat, hostplan.keep(seat))


def _prunes(fleet: Fleet) -> Iterator[Action | Wait]:
    for key, hosts in sorted(fleet.leftovers().items()):
        for host in sorted(hosts):
            if host not in fleet.states:
                yield fleet.absence(key, host)
            elif why := _why_not_prune(fleet, key):
                seat = fleet.seat(key, host)
                yield Wait(key, host, why)
                yield from hostplan.held_back(seat, hostplan.keep(seat))
            else:
                seat = fleet.seat(key, host)
                yield from hostplan.held_back(
                    seat, hostplan.prune(seat, _why_prune(fleet, key, host))
                )


def _why_not_prune(fleet: Fleet, key: str) -> Reason | None:
    desired = fleet.desired
    if desired.is_empty and not desired.allow_empty:
        text = "Git asks for nothing at all; allow_empty = true would remove everything"
        return Reason(Why.EMPTY_DESIRED_STATE, text)
    if not desired.may_prune:
        return Reason(Why.INVALID_FILE, "nothing is removed while a file under models.d is wrong")
    deployment = desired.deployments.get(key)
    if deployment is not None and deployment.manifest.spec.suspend:
        return Reason(Why.SUSPENDED, f"{deployment.path} says suspend: true")
    return None


def _why_prune(fleet: Fleet, key: str, host: str) -> Reason:
    if key in fleet.desired.deployments:
        return Reason(Why.NOT_A_TARGET, f"{host} is no longer a target of {key}")
    return Reason(Why.REMOVED_FROM_GIT, f"{key} is no longer in Git")


def _order(action: Action) -> int:
    """What is only remembered goes first: a crash after it loses nothing."""
    match action:
        case (
            actions.Quarantine()
            | actions.GiveUp()
            | actions.Proceed()
            | actions.Settle()
            | actions.Grant()
            | actions.Forget()
        ):
            return 0
        case actions.PushRevert():
            return 2
        case _:
            return 1
