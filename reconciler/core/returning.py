"""The way back: who has failed, each host to what was good there, and the revert in Git. Pure."""

from collections.abc import Iterator

from reconciler.core import actions, hostplan
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Quarantined
from reconciler.core.stage import View


def failed(views: list[View]) -> tuple[View, Reason] | None:
    """The first host on which the rollout has failed, and why."""
    found = ((view, why) for view in views if (why := view.failure()))
    return next(found, None)


def give_up(views: list[View], view: View, why: Reason) -> Iterator[Action | Wait]:
    """Remember that it failed, on the host of `view`, and send every host back."""
    spec = view.wanted if view.candidate is None else view.candidate.spec
    revision = view.deployment.revision
    yield actions.Quarantine(view.host, view.deployment.key, revision, spec, why)
    yield from go_back(views, why.text)


def go_back(views: list[View], failed: str) -> Iterator[Action | Wait]:
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
        yield from hostplan.held_back(view.seat, steps)
    for view in views[:1]:
        text = f"{failed}; it is not tried again until model, runtime or acceptance change"
        yield Wait(view.deployment.key, None, Reason(Why.QUARANTINED, text))


def revert(
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
