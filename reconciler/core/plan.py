"""`plan`: from what is desired, seen and remembered to what is to be done now. Pure.

Level-triggered: it starts from the facts each time, so a crash at any step, a newer commit or
a host that comes back all take the same path. A rollout passes its gates on all reachable
hosts together: verified before anything starts, accepted before any traffic moves, healthy
for the whole delay before any predecessor goes. In waves (`waves`), the middle gate is the
wave's; predecessors stay until the last wave. A failure on one host sends all of them back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core import actions, holding, hostplan, waves
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.fleet import Fleet, Observed
from reconciler.core.hostplan import Step
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Quarantined, Rollouts
from reconciler.core.seat import Seat
from reconciler.core.stage import Stage, View
from registry.core.canonical import Json

_SHORT = frozenset({Why.WAITING_FOR_HEALTH, Why.WAITING_FOR_HOSTS})
_NOT_VERIFIED = frozenset({Stage.UNVERIFIED, Stage.REFUSED, Stage.BLOCKED})
_NOT_BEGUN = _NOT_VERIFIED | {Stage.VERIFIED}
_NOT_ACCEPTED = _NOT_VERIFIED | {Stage.VERIFIED, Stage.STARTED, Stage.READY}
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
            "actions": [actions.document(action) for action in self.actions],
            "waits": [actions.wait_document(wait) for wait in self.waits],
        }

    def render(self) -> str:
        """The dry run: one line an action, then one a wait; hosts that wait alike share one."""
        lines = [actions.render(action) for action in self.actions]
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
    if deployment.manifest.spec.suspend:
        yield Wait(key, None, Reason(Why.SUSPENDED, f"{deployment.path} says suspend: true"))
        return
    views = fleet.views(deployment)
    entry = fleet.rollout(key).quarantine_of(deployment.revision)
    if entry is not None:
        yield from _go_back(views, entry.reason)
        yield from _revert(fleet, deployment, views, entry)
        return
    is_good_elsewhere = fleet.has_settled(deployment)
    quarantine = None if is_good_elsewhere else _quarantine(views)
    if quarantine is not None:
        yield quarantine
        yield from _go_back(views, quarantine.reason.text)
        return
    yield from _roll_out(fleet, deployment, views)


def _quarantine(views: list[View]) -> actions.Quarantine | None:
    for view in views:
        if why := view.failure():
            spec = view.wanted if view.candidate is None else view.candidate.spec
            revision = view.deployment.revision
            return actions.Quarantine(view.host, view.deployment.key, revision, spec, why)
    return None


def _go_back(views: list[View], failed: str) -> Iterator[Action | Wait]:
    """Each host to its own last known good, which on a host that had settled is this version."""
    for view in views:
        good = view.seat.facts.last_good
        if good is None:
            steps = hostplan.abandon(view, failed)
        elif view.is_settled:
            steps = hostplan.heal(view.seat, good)
        else:
            why = Reason(Why.ROLLED_BACK, f"back to version {good.version}: {failed}")
            steps = hostplan.heal(view.seat, good, because=why)
        yield from _held_back(view.seat, steps)
    for view in views[:1]:
        text = f"{failed}; it is not tried again until model, runtime or acceptance change"
        yield Wait(view.deployment.key, None, Reason(Why.QUARANTINED, text))


def _revert(
    fleet: Fleet, deployment: Deployment, views: list[View], entry: Quarantined
) -> Iterator[Action | Wait]:
    """Once a rollback is under way, and unless some host has found the version good."""
    if entry.reverted is not None or not deployment.manifest.spec.rollback.push_revert_branch:
        return
    goods = {view.host: view.seat.facts.last_good for view in views}
    good = goods.get(entry.host) or next(filter(None, goods.values()), None)
    if good is None or fleet.has_settled(deployment):
        return
    if entry.failure is not None and fleet.now < (until := hostplan.retry_at(entry.failure)):
        why = Reason(Why.BACKING_OFF, f"pushing the revert failed: {entry.failure.detail}")
        yield Wait(deployment.key, None, why, until)
        return
    why = Reason(Why.ROLLED_BACK, f"back to version {good.version}: {entry.reason}")
    yield actions.PushRevert(
        deployment.key, deployment.path, deployment.revision, entry.spec, good, why
    )


def _roll_out(fleet: Fleet, deployment: Deployment, views: list[View]) -> Iterator[Action | Wait]:
    failed = {view.host: why for view in views if (why := view.failure())}
    stages = {view.host: view.stage() for view in views if view.host not in failed}
    denied = None
    if not _NOT_BEGUN.isdisjoint(stages.values()):
        denied = holding.denial(fleet, deployment, views)
    if denied is not None:
        yield Wait(deployment.key, None, Reason(Why.HELD_BY_POLICY, "; ".join(denied.reasons)))
    wave = waves.of(deployment, views, stages, fleet.now)
    for view in views:
        stage = stages.get(view.host)
        if stage is None:
            steps = hostplan.stand_still(view, failed[view.host])
        elif stage is Stage.VERIFIED and denied is not None:
            steps = hostplan.tend(view.seat, starting=view.wanted)
        elif stage is Stage.SETTLED:
            steps = hostplan.heal(view.seat, view.wanted)
        else:
            steps = _advance(view, stages, wave)
        yield from _held_back(view.seat, steps)
    moving = [view for view in views if stages.get(view.host) not in (None, Stage.SETTLED)]
    if moving and all(stages[view.host] is Stage.BAKED for view in moving):
        yield _settle(moving)


def _advance(view: View, stages: Mapping[str, Stage], wave: waves.Wave) -> Iterator[Step]:
    stage = stages[view.host]
    if stage is Stage.VERIFIED and view.host not in wave.hosts:
        return hostplan.await_turn(view, wave.reason, wave.until)
    gate = wave.among(stages) if stage is Stage.ACCEPTED else stages
    return hostplan.advance(view, stage, _laggards(gate, stage))


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
            yield from _held_back(seat, hostplan.tend(seat))


def _prunes(fleet: Fleet) -> Iterator[Action | Wait]:
    for key, hosts in sorted(fleet.leftovers().items()):
        for host in sorted(hosts):
            if host not in fleet.states:
                yield fleet.absence(key, host)
            elif why := _why_not_prune(fleet, key):
                seat = fleet.seat(key, host)
                yield Wait(key, host, why)
                yield from _held_back(seat, hostplan.tend(seat))
            else:
                seat = fleet.seat(key, host)
                yield from _held_back(seat, hostplan.prune(seat, _why_prune(fleet, key, host)))


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


def _held_back(seat: Seat, steps: Iterator[Step]) -> Iterator[Step]:
    return (hostplan.hold_back(step, seat.facts, seat.now) for step in steps)


def _order(action: Action) -> int:
    """What is only remembered goes first: a crash after it loses nothing."""
    match action:
        case actions.Quarantine() | actions.Settle() | actions.Forget():
            return 0
        case actions.PushRevert():
            return 2
        case _:
            return 1
