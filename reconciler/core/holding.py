"""Whether policies of the area plan let a rollout begin: sync windows, quarantined digests.

They hold back beginnings only. What has begun goes to its end, and what serves is kept alive:
a window that closes must not leave hosts half way, nor a broken container down.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.rollout import Rollout
from reconciler.core.stage import View
from registry.core import policy
from registry.core.policy import Area


def denial(fleet: Fleet, deployment: Deployment, views: Iterable[View]) -> policy.Denied | None:
    """Why the rollout may not begin now; None where it may, or has begun already."""
    policies = fleet.desired.policies
    if not policies.enforces(Area.PLAN) or any(view.candidate for view in views):
        return None
    match policy.decide(policies, request(deployment, fleet.rollout(deployment.key), fleet.now)):
        case policy.Allowed():
            return None
        case policy.Denied() as denied:
            return denied


def request(deployment: Deployment, known: Rollout, now: float) -> policy.Request:
    """What policies of the area plan see: Git, the reconciler's memory, and the time."""
    return policy.request(
        Area.PLAN,
        {
            "deployment": deployment.manifest.model_dump(mode="json", by_alias=True),
            "environment": deployment.manifest.metadata.environment,
            "quarantined": [entry.digest for entry in known.quarantined],
            "now": datetime.fromtimestamp(now, UTC).isoformat(),
        },
    )
