"""What Git no longer asks for leaves its hosts, unless that may be a mistake. Pure."""

from collections.abc import Iterator

from reconciler.core import hostplan
from reconciler.core.actions import Action, Wait
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why


def prunes(fleet: Fleet, key: str) -> Iterator[Action | Wait]:
    """Where `key` is and should not be."""
    for host in sorted(fleet.leftovers(key)):
        if not fleet.reaches(host):
            yield fleet.absence(key, host)
            continue
        seat = fleet.seat(key, host)
        if why := _why_not(fleet, key):
            yield Wait(key, host, why)
            yield from hostplan.held_back(seat, hostplan.keep(seat))
        else:
            yield from hostplan.held_back(seat, hostplan.prune(seat, _why(fleet, key, host)))


def _why_not(fleet: Fleet, key: str) -> Reason | None:
    common, deployment = fleet.common, fleet.deployment(key)
    if common.is_empty and not common.allow_empty:
        text = "Git asks for nothing at all; allow_empty = true would remove everything"
        return Reason(Why.EMPTY_DESIRED_STATE, text)
    if not common.may_prune:
        return Reason(Why.INVALID_FILE, "nothing is removed while a file under models.d is wrong")
    if deployment is not None and deployment.manifest.spec.suspend:
        return Reason(Why.SUSPENDED, f"{deployment.path} says suspend: true")
    return None


def _why(fleet: Fleet, key: str, host: str) -> Reason:
    if fleet.deployment(key) is not None:
        return Reason(Why.NOT_A_TARGET, f"{host} is no longer a target of {key}")
    return Reason(Why.REMOVED_FROM_GIT, f"{key} is no longer in Git")
