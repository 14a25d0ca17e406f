"""The way back: each host to what was good there, and the revert in Git. Pure."""

from collections.abc import Iterator

from reconciler.core import actions, hostplan, shifting
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.hostplan import Step
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Quarantined
from reconciler.core.stage import View


def give_up(views: list[View], view: View, why: Reason) -> Iterator[Action | Wait]:
    """Remember that it failed, on the host of `view`, and send every host back."""
    spec = view.wanted if view.candidate is None else view.candidate.spec
    revision = view.deployment.revision
    yield actions.Quarantine(view.host, view.deployment.key, revision, spec, why)
    yield from go_back(views, why.text)


def go_back(views: list[View], failed: str) -> Iterator[Action | Wait]:
    """Each host to its own last known good, which on a host that had settled is this version."""
    for view in views:
        yield from back(view, failed)
    for view in views[:1]:
        text = f"{failed}; until model, runtime or acceptance change, or somebody retries it"
        yield Wait(view.deployment.key, None, Reason(Why.QUARANTINED, text))


def back(view: View, failed: str) -> Iterator[Step]:
    """To the host's own last known good, which on a host that had settled is this version."""
    good = view.seat.facts.last_good
    if good is None:
        steps = hostplan.abandon(view, failed)
    elif view.is_settled:
        steps = hostplan.heal(view.seat, good)
    else:
        why = Reason(Why.ROLLED_BACK, f"back to version {good.version}: {failed}")
        steps = hostplan.heal(view.seat, good, because=why)
    return hostplan.held_back(view.seat, steps)


def withdraw(view: View, why: Reason) -> Iterator[Step]:
    """A candidate without traffic whose place somebody else has by now: it begins anew later."""
    if view.seat.shared:
        yield from shifting.take_back(view)
        return
    yield from hostplan.tend(view.seat, starting=view.wanted)
    yield from hostplan.remove_superseded(view)
    if view.seat.instance_of(view.wanted) is not None:
        yield actions.Remove(view.host, view.deployment.key, view.wanted.name, why)
    yield Wait(view.deployment.key, view.host, why)


def revert(
    fleet: Fleet, deployment: Deployment, views: list[View], entry: Quarantined
) -> Iterator[Action | Wait]:
    """Once a rollback is under way, and unless some host has found the version good."""
    if entry.reverted is not None or not fleet.common.proposes:
        return
    if not deployment.manifest.spec.rollback.push_revert_branch:
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
