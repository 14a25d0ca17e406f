"""Whether a deployment is at rest: nothing of it to be done on any host, told without planning it.

Nearly all of a fleet is, and a planner that begins has to look at every one of them. What is not
clearly at rest is planned, and may still turn out to need nothing. Pure.
"""

from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import NOTHING_KNOWN
from reconciler.core.seat import is_healthy
from reconciler.core.strategies import ends


def is_at_rest(fleet: Fleet, deployment: Deployment) -> bool:
    """Whether what Git asks for is settled and serves, alone, on each host that can be reached."""
    known, wanted = fleet.rollout(deployment.key), deployment.anywhere
    if deployment.short or known.progress is not None:
        return False
    if ends.is_left(known, deployment):
        return False
    hosts = known.hosts
    for host in filter(fleet.reaches, deployment.hosts):
        facts = hosts.get(host, NOTHING_KNOWN)
        good = facts.last_good
        if good is None or facts.candidate is not None or good.host != host:
            return False
        if not wanted.is_like_but_for_host(good):
            return False
        if not _serves_alone(fleet, good):
            return False
    return True


def _serves_alone(fleet: Fleet, good: InstanceSpec) -> bool:
    remains = fleet.remains(good.deployment, good.host)
    instance, route = remains.instances.get(good.name), remains.routes.get(good.model)
    if instance is None or route is None or instance.drift or not is_healthy(instance):
        return False
    is_alone = len(remains.instances) == 1 and len(remains.routes) == 1 and route.share is None
    return is_alone and route.instance == instance.name and fleet.has_sound_ingress(good.host)
