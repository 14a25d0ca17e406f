"""Hosts that are being drained: nothing new begins there, what serves is kept. Pure."""

from collections.abc import Iterator

from reconciler.core import hostplan, returning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why
from reconciler.core.stage import View


def is_aside(fleet: Fleet, view: View) -> bool:
    """Whether the host of `view` takes no part in a rollout: what has all traffic goes on."""
    if not fleet.is_drained(view.host) or view.is_settled:
        return False
    return view.candidate is None or view.candidate.routed_at is None


def aside(fleet: Fleet, deployment: Deployment, views: list[View]) -> Iterator[Action | Wait]:
    """What is done on those that take no part; says where too few hosts are left."""
    if deployment.short:
        wanted = deployment.manifest.spec.targets.replicas or 0
        text = f"{wanted} hosts are wanted and {wanted - deployment.short} fit: "
        text += "give more hosts the labels, or more capacity"
        yield Wait(deployment.key, None, Reason(Why.TOO_FEW_HOSTS, text))
    for view in views:
        if is_aside(fleet, view):
            why = Reason(Why.DRAINED, f"models.d/hosts/{view.host}.yaml says drain: true")
            yield from hostplan.held_back(view.seat, returning.withdraw(view, why))
