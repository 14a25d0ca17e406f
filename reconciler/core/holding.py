"""What must be so before a rollout begins: policies allow it, who comes first is well, hooks agree.

They hold back beginnings only. What has begun goes to its end, and what serves is kept alive:
a window that closes must not leave hosts half way, nor a broken container down.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.core import draining, hooking, ordering, pinning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.losses import names
from reconciler.core.projects import windows
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Rollout
from reconciler.core.seat import is_healthy
from reconciler.core.stage import Stage, View
from registry.core import policy
from registry.core.policy import Area


def back(
    fleet: Fleet, deployment: Deployment, views: Sequence[View], stages: Mapping[str, Stage]
) -> Iterator[Action | Wait]:
    """What comes before the rollout may begin; nothing where it may, or has begun already."""
    if _has_begun(fleet, deployment):
        return
    why = [*_denials(fleet, deployment), *_others(fleet, deployment)]
    yield from (Wait(deployment.key, None, one) for one in why)
    closed = list(_closed(fleet, deployment))
    yield from closed
    if not why and not closed:
        yield from hooking.before(fleet, deployment, views, stages)


def _has_begun(fleet: Fleet, deployment: Deployment) -> bool:
    """Also on a host out of sight. What Git changes beside the version ends nothing where clients
    were sent to it already."""
    known = fleet.rollout(deployment.key)
    candidates = (known.on(host).candidate for host in deployment.hosts)
    return any(
        one is not None
        and one.is_of(deployment.anywhere)
        and (one.revision == deployment.revision or (one.revision and one.routed_at is not None))
        for one in candidates
    )


def _denials(fleet: Fleet, deployment: Deployment) -> Iterator[Reason]:
    policies = fleet.common.policies
    if not policies.enforces(Area.PLAN):
        return
    match policy.decide(policies, request(deployment, fleet.rollout(deployment.key), fleet.now)):
        case policy.Allowed():
            return
        case policy.Denied() as denied:
            yield Reason(Why.HELD_BY_POLICY, "; ".join(denied.reasons))


def _closed(fleet: Fleet, deployment: Deployment) -> Iterator[Wait]:
    """The windows of its project; a pin to an older version is a way back, and waits for none."""
    if not deployment.windows:
        return
    found = windows.state(deployment.windows, fleet.now)
    if isinstance(found, windows.Open) or (deployment.pin and _may_pin(deployment, found)):
        return
    text = f"the project {deployment.manifest.metadata.project}: {found.why}"
    yield Wait(deployment.key, None, Reason(Why.WAITING_FOR_WINDOW, text), found.until)


def _may_pin(deployment: Deployment, closed: windows.Closed) -> bool:
    git = deployment.pinned_from
    asked = deployment.manifest.spec.model.version
    return closed.manual or (git is not None and asked < git.manifest.spec.model.version)


def _others(fleet: Fleet, deployment: Deployment) -> Iterator[Reason]:
    if deployment.pin is not None:  # an emergency waits for nobody
        return
    for key in ordering.before(deployment.manifest):
        if said := _unready(fleet, key):
            yield Reason(Why.WAITING_FOR_DEPENDENCY, f"{key} comes first: {said}")
    group, wave = ordering.group(deployment.manifest), deployment.manifest.spec.sync_wave
    for earlier, keys in fleet.sync_waves(group):
        # The first one is enough: there may be thousands.
        found = ((key, _unready(fleet, key)) for key in keys if earlier < wave)
        if behind := next(((key, said) for key, said in found if said), None):
            text = f"sync wave {earlier} comes first: {behind[0]}: {behind[1]}"
            yield Reason(Why.WAITING_FOR_SYNC_WAVE, text)
            return


def _unready(fleet: Fleet, key: str) -> str:
    """Why `key` is not healthy at the version that Git asks for; empty where it is.

    Hosts out of sight delay nobody, as long as there is one in sight.
    """
    deployment = fleet.deployment(key)
    if deployment is None:
        return "its file is wrong"
    if deployment.trial is not None:
        deployment = pinning.of_git(deployment)
    views = [view for view in fleet.views(deployment) if not draining.is_aside(fleet, view)]
    version = f"version {deployment.manifest.spec.model.version}"
    if not views:
        # Hosts that others look after are not waited for.
        return "none of its hosts can be reached" if deployment.hosts else ""
    behind = {view.host for view in views if not view.is_settled}
    if behind and deployment.manifest.spec.suspend:
        return f"{version} is not yet on {names(behind)}, and {deployment.path} says suspend: true"
    if behind and fleet.rollout(key).quarantine_of(deployment.revision):
        return f"{version} is quarantined"
    if behind:
        return f"{version} is not yet good on {names(behind)}"
    sick = {view.host for view in views if not _serves(view)}
    return f"{version} does not serve on {names(sick)}" if sick else ""


def _serves(view: View) -> bool:
    return view.seat.is_routed(view.wanted) and is_healthy(view.seat.instance_of(view.wanted))


def request(deployment: Deployment, known: Rollout, now: float) -> policy.Request:
    """What policies of the area plan see: Git, the reconciler's memory, and the time."""
    return policy.request(
        Area.PLAN,
        {
            "deployment": deployment.manifest.model_dump(mode="json", by_alias=True),
            "environment": deployment.manifest.metadata.environment,
            "quarantined": [entry.digest for entry in known.in_force],
            "now": datetime.fromtimestamp(now, UTC).isoformat(),
        },
    )
