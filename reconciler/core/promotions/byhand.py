"""A version that a person wants in a deployment's file: what stands against it here. Pure.

Where a promotion leads there, its windows, approvals and evidence count for a person's too: what
the person decides is that it has been well elsewhere for long enough.
"""

from reconciler.core import edit, pinning
from reconciler.core.desired import Deployment
from reconciler.core.experiments import winning
from reconciler.core.fleet import Fleet
from reconciler.core.projects import windows
from reconciler.core.promotions.acts import PromoteByHand
from reconciler.core.reasons import Reason, Why
from reconciler.core.strategies.progress import Wish


def asked(fleet: Fleet, deployment: Deployment, wish: Wish) -> PromoteByHand | str:
    """What Git is to be told, or why it is not."""
    git, version = pinning.of_git(deployment), wish.version or 0
    model = git.manifest.spec.model
    if not fleet.common.proposes:
        return "an agent tells Git nothing"
    if wish.digest == model.digest:
        return f"version {version} is what Git asks for"
    spec = edit.respecified(git.spec_on("", fleet.commit), version, wish.digest)
    entry = fleet.rollout(git.key).quarantine_of(git.asking_for(spec).revision)
    if entry is not None:
        return f"version {version} is quarantined here: {entry.reason}"
    if by_hand := winning.by_hand(git):
        return by_hand
    promotion = fleet.promotion(git.key)
    listed = [] if promotion is None else promotion.spec.conditions.windows
    there = windows.of(listed, git.manifest.metadata.environment)
    match windows.state(there, fleet.now):
        case windows.Closed(why, _):
            return why
        case windows.Open():
            pass
    return PromoteByHand(
        git.key,
        git.path,
        git.origin,
        promotion,
        wish,
        edit.Pin(model.name, model.version, model.digest),
        spec,
        fleet.authors,
        Reason(Why.PROMOTION, f"{wish.by or 'somebody'} asks for version {version}: {wish.reason}"),
    )
