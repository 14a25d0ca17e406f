"""What stands against a permit before anybody is asked: quarantine, and what holds rollouts back.
Pure.

Dependencies and sync waves are not asked here: they are about hosts, and whoever applies a
deployment elsewhere has an order of their own.
"""

from reconciler.core import holding
from reconciler.core.desired import Deployment
from reconciler.core.projects import windows
from reconciler.core.rollout import Rollout
from registry.core import policy
from registry.core.policy import Area


def quarantined(deployment: Deployment, known: Rollout) -> tuple[str, ...]:
    """Why this revision does not start again anywhere; nothing where it may."""
    found = known.quarantine_of(deployment.revision)
    version = deployment.manifest.spec.model.version
    return () if found is None else (f"version {version} is quarantined: {found.reason}",)


def held_back(
    deployment: Deployment, known: Rollout, policies: policy.PolicySet, now: float
) -> tuple[str, ...]:
    """Why nothing of `deployment` may begin at `now`: policies of planning, closed windows."""
    why: tuple[str, ...] = ()
    if policies.enforces(Area.PLAN):
        match policy.decide(policies, holding.request(deployment, known, now)):
            case policy.Denied() as denied:
                why = denied.reasons
            case policy.Allowed():
                pass
    match windows.state(deployment.windows, now):
        case windows.Closed(reason, _):
            return (*why, f"the project {deployment.manifest.metadata.project}: {reason}")
        case windows.Open():
            return why
