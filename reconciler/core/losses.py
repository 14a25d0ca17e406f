"""On which hosts of a rollout a version has failed, and what becomes of the others. Pure.

A rollout that is atomic loses no host: the first one that fails sends all of them back. In one that
is not, a host that fails is remembered as lost and goes back alone; the others go on for as long
as their file says. A version that is good on some hosts already never sends those back: a host
that catches up late stands for itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core import actions, returning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why
from reconciler.core.seat import is_healthy
from reconciler.core.stage import Stage, View
from registry.core import hostlist

_STUCK = frozenset({Stage.REFUSED, Stage.BLOCKED})


@dataclass(frozen=True, slots=True)
class Losses:
    """`failed` are hosts in sight with the reason why; `new` those not yet remembered as lost.

    With `first`, all hosts go back for what happened there. With a `brake`, no further host may
    begin.
    """

    failed: Mapping[str, Reason]
    new: tuple[View, ...] = ()
    first: View | None = None
    brake: Reason | None = None

    def rest(self, views: list[View]) -> list[View]:
        """Those that go on."""
        return [view for view in views if view.host not in self.failed]


def of(fleet: Fleet, deployment: Deployment, views: list[View]) -> Losses:
    """What has failed by now, and what that leads to."""
    rules, is_good = deployment.manifest.spec.fleet, fleet.has_settled(deployment)
    marked = {view.host: mark for view in views if (mark := view.gave_up)}
    new = [(view, why) for view in views if view.host not in marked and (why := view.failure())]
    if rules.atomic and is_good:
        # A late host; it stands still and lets the others be.
        new = []
    failed = {host: Reason(Why.GAVE_UP, mark.reason) for host, mark in marked.items()}
    failed |= {view.host: why for view, why in new}
    lost = {*_remembered(fleet, deployment), *failed}
    count = len(deployment.hosts)
    first = next((view for view in views if view.host in failed), None)
    if first is not None and not is_good and _sends_all_back(deployment, lost):
        return Losses(failed, first=first)
    brake = _unavailable(fleet, deployment, views)
    if rules.answer == "pause" and rules.is_too_many(len(lost), count):
        text = (
            f"{len(lost)} of {count} hosts failed: {names(lost)}; no further host begins until "
            f"{deployment.path} asks for another version, raises spec.fleet.maxFailureRatio or "
            "says failureAction: continue"
        )
        brake = Reason(Why.TOO_MANY_FAILED, text)
    return Losses(failed, new=tuple(view for view, _ in new), brake=brake)


def alone(lost: Losses, views: list[View]) -> Iterator[Action | Wait]:
    """The lost hosts: remembered as such, then each back to its own last known good."""
    for view in lost.new:
        spec = view.wanted if view.candidate is None else view.candidate.spec
        revision, why = view.deployment.revision, lost.failed[view.host]
        yield actions.GiveUp(view.host, spec, revision, why)
    for view in views:
        if view.host not in lost.failed:
            continue
        why = lost.failed[view.host]
        yield from returning.back(view, why.text)
        text = f"{why.text}; not tried again here until model, runtime or acceptance change"
        yield Wait(view.deployment.key, view.host, Reason(Why.GAVE_UP, text))


def stuck(deployment: Deployment, stages: Mapping[str, Stage]) -> set[str]:
    """The hosts that nobody waits for, since they may not begin: none where all go together."""
    if deployment.manifest.spec.fleet.atomic or _STUCK.issuperset(stages.values()):
        return set()
    return {host for host, stage in stages.items() if stage in _STUCK}


def names(hosts: set[str]) -> str:
    """All of them, short."""
    return hostlist.folded(hosts)


def _remembered(fleet: Fleet, deployment: Deployment) -> set[str]:
    """Also the lost hosts that are out of sight."""
    known = fleet.rollout(deployment.key)
    marks = {host: known.on(host).gave_up for host in deployment.hosts}
    return {host for host, mark in marks.items() if mark and mark.revision == deployment.revision}


def _sends_all_back(deployment: Deployment, lost: set[str]) -> bool:
    """Also where a version has failed on every single host."""
    rules, count = deployment.manifest.spec.fleet, len(deployment.hosts)
    is_rollback = rules.answer == "rollback" and rules.is_too_many(len(lost), count)
    return rules.atomic or is_rollback or len(lost) == count


def _unavailable(fleet: Fleet, deployment: Deployment, views: list[View]) -> Reason | None:
    """Hosts out of sight, and hosts that should serve and do not."""
    rules, count = deployment.manifest.spec.fleet, len(deployment.hosts)
    if rules.max_unavailable is None:
        return None
    sick = {
        view.host
        for view in views
        if view.seat.facts.last_good is not None and not is_healthy(view.seat.serving())
    }
    missing = sick | {host for host in deployment.hosts if not fleet.reaches(host)}
    bearable = rules.bearable(count)
    if len(missing) <= bearable:
        return None
    text = (
        f"{len(missing)} of {count} hosts are unavailable: {names(missing)}; "
        f"no further host begins while more than {bearable} are"
    )
    return Reason(Why.TOO_MANY_UNAVAILABLE, text)
