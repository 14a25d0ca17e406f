"""What Git no longer asks for leaves its hosts, unless that may be a mistake. Pure."""

from collections.abc import Iterator

from reconciler.core import draining, gone, hostplan, losses
from reconciler.core.actions import Action, Forget, Wait
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why
from reconciler.core.seat import is_healthy
from reconciler.core.stage import View


def prunes(fleet: Fleet, key: str) -> Iterator[Action | Wait]:
    """Where `key` is and should not be."""
    hosts = sorted(fleet.leftovers(key))
    is_open = bool(hosts) and gone.is_open(fleet, key)
    for host in hosts:
        if not fleet.reaches(host):
            yield fleet.absence(key, host)
            continue
        seat = fleet.seat(key, host)
        if why := _why_not(fleet, key) or _not_yet(fleet, key, host):
            yield Wait(key, host, why)
            yield from hostplan.held_back(seat, hostplan.keep(seat))
        else:
            steps = hostplan.held_back(seat, hostplan.prune(seat, _why(fleet, key, host)))
            yield from (step for step in steps if not (isinstance(step, Forget) and is_open))


def _why_not(fleet: Fleet, key: str) -> Reason | None:
    common, deployment = fleet.common, fleet.deployment(key)
    if common.is_empty and not common.allow_empty:
        text = "Git asks for nothing at all; allow_empty = true would remove everything"
        return Reason(Why.EMPTY_DESIRED_STATE, text)
    if not common.doubts.may_prune(key):
        return Reason(Why.INVALID_FILE, "nothing is removed while a file under models.d is wrong")
    if deployment is not None and deployment.manifest.spec.suspend:
        return Reason(Why.SUSPENDED, f"{deployment.path} says suspend: true")
    return None


def _not_yet(fleet: Fleet, key: str, host: str) -> Reason | None:
    """A deployment that moves, by its number of hosts or off one that is drained, leaves a host
    once it is good on all others."""
    deployment = fleet.deployment(key)
    if deployment is None:
        return None
    if deployment.manifest.spec.targets.replicas is None and not fleet.is_drained(host):
        return None
    if fleet.is_elsewhere(key) or not deployment.hosts:
        return None  # whoever looks after the others, it is not in sight from here
    views = [view for view in fleet.views(deployment) if not draining.is_aside(fleet, view)]
    behind = {view.host for view in views if not view.is_settled or not _serves(view)}
    if views and not behind:
        return None
    missing = behind or set(deployment.hosts)
    text = f"it moves once it serves on {losses.names(missing)}"
    return Reason(Why.WAITING_FOR_SUCCESSOR, text)


def _serves(view: View) -> bool:
    return view.seat.is_routed(view.wanted) and is_healthy(view.seat.instance_of(view.wanted))


def _why(fleet: Fleet, key: str, host: str) -> Reason:
    if fleet.deployment(key) is not None:
        return Reason(Why.NOT_A_TARGET, f"{host} is no longer a target of {key}")
    return Reason(Why.REMOVED_FROM_GIT, f"{key} is no longer in Git")
