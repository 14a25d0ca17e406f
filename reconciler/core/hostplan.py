"""The next steps of one deployment on one host. Each is safe whether or not the others succeed.

`advance` brings the wanted version one stage further, `heal` keeps what is good serving,
`prune` takes away what Git no longer asks for.
"""

from collections.abc import Iterator
from typing import TypeAlias

from reconciler.core import actions, pacing
from reconciler.core.actions import HostAction, Wait
from reconciler.core.observed import Health, Instance, InstanceSpec, Phase
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Failure, HostRollout
from reconciler.core.seat import Seat, is_healthy
from reconciler.core.stage import Stage, View
from registry.core import hostlist

LONGEST_BACKOFF_S = 60.0
_RETRY_REFUSED_S = 60.0
_RETRY_BLOCKED_S = 15.0

Step: TypeAlias = HostAction | actions.Forget | Wait


def advance(view: View, stage: Stage, laggards: list[str]) -> Iterator[Step]:
    """One stage further, unless `laggards` are waited for; what serves now is looked after."""
    if stage in (Stage.ROUTED, Stage.BAKED):
        yield from _keep_routed(view, stage, laggards)
        return
    yield from tend(view.seat, starting=view.wanted)
    yield from remove_superseded(view)
    match stage:
        case Stage.UNVERIFIED:
            text = f"version {view.wanted.version} was not checked here yet"
            yield _preflight(view, Reason(Why.NOT_VERIFIED, text))
        case Stage.REFUSED | Stage.BLOCKED:
            yield _preflight_again(view)
        case Stage.VERIFIED:
            yield _start_candidate(view, laggards)
        case Stage.STARTED:
            yield _await_candidate(view)
        case Stage.READY:
            yield _accept(view)


def await_turn(view: View, why: Reason, until: float | None) -> Iterator[Step]:
    """A verified host of a later wave: what serves is looked after, nothing starts."""
    yield from tend(view.seat, starting=view.wanted)
    yield from remove_superseded(view)
    yield _wait(view.seat, why.code, why.text, until)


def heal(seat: Seat, good: InstanceSpec, *, because: Reason | None = None) -> Iterator[Step]:
    """Have `good` running, healthy and routed, alone; once it is, remove all else."""
    steps = list(revive(seat, good, because))
    if seat.share_of(good) is not None and _serves(seat, good):
        text = f"all traffic is for version {good.version}"
        steps = [actions.RouteTo(seat.host, good, because or Reason(Why.NOT_ROUTED, text))]
    yield from steps
    if not steps:
        yield from _remove_all_but(seat, good, because)


def keep(seat: Seat) -> Iterator[Step]:
    """`tend`, where nobody can say what is wanted: a share stays for as long as it is well."""
    yield from tend(seat)
    good = seat.facts.last_good
    share = None if good is None else seat.share_of(good)
    if good is None or share is None or not _serves(seat, good):
        return
    if not is_healthy(seat.remains.instances.get(share.instance)):
        text = f"{share.instance} is not well, and gets no traffic any more"
        yield actions.RouteTo(seat.host, good, Reason(Why.UNHEALTHY, text))


def _serves(seat: Seat, good: InstanceSpec) -> bool:
    return seat.is_routed(good) and is_healthy(seat.instance_of(good))


def tend(seat: Seat, *, starting: InstanceSpec | None = None) -> Iterator[Step]:
    """Keep what serves alive and change nothing else; `starting` has its own rules."""
    good, serving, candidate = seat.facts.last_good, seat.serving(), seat.facts.candidate
    has_exited = serving is not None and serving.phase is Phase.EXITED
    if good is not None and (serving is None or serving.name == good.name or has_exited):
        yield from revive(seat, good, None)
        return
    if candidate is None or not has_exited or not seat.is_routed(candidate.spec):
        return
    if starting is None or candidate.spec.name != starting.name:
        yield _restart(seat, candidate.spec)


def stand_still(view: View, failed: Reason) -> Iterator[Step]:
    """A host that joined late and failed, while others have found the version good."""
    yield from tend(view.seat, starting=view.wanted)
    yield Wait(view.deployment.key, view.host, failed)


def abandon(view: View, failed: str) -> Iterator[Step]:
    """A first version that failed: nothing good to go back to, so what has traffic keeps it."""
    why = Reason(Why.QUARANTINED, failed)
    for name in sorted(view.seat.remains.instances):
        if not view.seat.has_traffic(name):
            yield actions.Remove(view.host, view.deployment.key, name, why)


def prune(seat: Seat, why: Reason) -> Iterator[Step]:
    """Take the deployment off the host; a model that moves elsewhere is first taken over."""
    for model in sorted(seat.remains.routes):
        if successor := seat.successor(model):
            text = f"{successor} takes over {model} first"
            yield _wait(seat, Why.WAITING_FOR_SUCCESSOR, text)
            yield from tend(seat)
        else:
            yield actions.Unroute(seat.host, seat.deployment, model, why)
    if seat.remains.routes:
        return
    for name in sorted(seat.remains.instances):
        yield actions.Remove(seat.host, seat.deployment, name, why)
    if not seat.remains.instances:
        yield actions.Forget(seat.host, seat.deployment, why)


def hold_back(step: Step, facts: HostRollout, now: float) -> Step:
    """`step`, or a wait where it failed too recently to be tried again."""
    if isinstance(step, Wait):
        return step
    failure = facts.failure_of(actions.key(step))
    if failure is None or now >= retry_at(failure):
        return step
    text = f"{failure.action} failed {failure.count} times, lately: {failure.detail}"
    deployment = actions.deployment_of(step)
    return Wait(deployment, step.host, Reason(Why.BACKING_OFF, text), retry_at(failure))


def held_back(seat: Seat, steps: Iterator[Step]) -> Iterator[Step]:
    """All of `steps`, each held back where it failed."""
    return (hold_back(step, seat.facts, seat.now) for step in steps)


def retry_at(failure: Failure) -> float:
    """1 s after the first failure, then twice as long each time, up to a minute."""
    return failure.at + min(2.0 ** min(failure.count - 1, 10), LONGEST_BACKOFF_S)


def revive(
    seat: Seat, good: InstanceSpec, because: Reason | None, *, revision: str = ""
) -> Iterator[Step]:
    """The one next step towards `good` serving; nothing when it does.

    A last known good starts on nobody's behalf; a version that is none yet names its revision.
    """
    instance = seat.instance_of(good)
    if instance is None or instance.phase is Phase.CREATED:
        code = Why.VANISHED if instance is None else Why.NEVER_STARTED
        why = because or Reason(code, f"version {good.version} should be running and is not")
        yield pacing.guarded(seat, actions.Start(seat.host, good, revision, why))
    elif instance.phase is Phase.EXITED or instance.drift:
        yield _restart(seat, good)
    elif instance.health is Health.REFUSED:
        yield _renew(seat, good, instance)
    elif not is_healthy(instance):
        yield _await_health(seat, good, instance)
    else:
        yield from _reroute(seat, good, because)


def _reroute(seat: Seat, good: InstanceSpec, because: Reason | None) -> Iterator[Step]:
    """Clients of `good` to it, which is healthy, by an ingress that is as we left it."""
    if not seat.is_routed(good) and (successor := seat.successor(good.model)):
        text = f"{successor} serves {good.model} here now"
        yield _wait(seat, Why.WAITING_FOR_SUCCESSOR, text)
        return
    if not seat.is_routed(good):
        text = f"version {good.version} is healthy but gets no traffic"
        why = because or Reason(Why.NOT_ROUTED, text)
    elif not seat.ingress_ready:
        why = Reason(Why.INGRESS_DOWN, "the ingress is not running")
    elif seat.ingress_drift:
        why = Reason(Why.DRIFTED, seat.ingress_drift)
    else:
        return
    yield pacing.guarded(seat, actions.RouteTo(seat.host, good, why))


def _remove_all_but(seat: Seat, good: InstanceSpec, because: Reason | None) -> Iterator[Step]:
    """Only called once `good` is healthy and routed. Routes go first, instances a pass later."""
    for model in sorted(seat.remains.routes):
        if model != good.model:
            why = Reason(Why.MODEL_CHANGED, f"the deployment serves {good.model} now")
            yield actions.Unroute(seat.host, seat.deployment, model, because or why)
    for name in sorted(_known(seat)):
        if name != good.name and not seat.has_traffic(name):
            why = Reason(Why.SUPERSEDED, f"version {good.version} serves in its place")
            yield actions.Remove(seat.host, seat.deployment, name, because or why)


def remove_superseded(view: View) -> Iterator[Step]:
    """Candidates of earlier commits that never got traffic make room for the newest."""
    good = view.seat.facts.last_good
    kept = {view.wanted.name} if good is None else {view.wanted.name, good.name}
    for name in sorted(_known(view.seat) - kept):
        if not view.seat.has_traffic(name):
            text = f"Git asks for version {view.wanted.version} now"
            why = Reason(Why.SUPERSEDED, text)
            yield actions.Remove(view.host, view.deployment.key, name, why)


def _known(seat: Seat) -> set[str]:
    """The instances that are there, and the candidate's, which may never have come to be: as long
    as it is remembered, its time runs."""
    candidate = seat.facts.candidate
    return {*seat.remains.instances, *([] if candidate is None else [candidate.spec.name])}


def _restart(seat: Seat, spec: InstanceSpec) -> Step:
    instance = seat.instance_of(spec)
    ending = "is gone" if instance is None else instance.ending
    why = Reason(Why.EXITED, f"version {spec.version} {ending}")
    if instance is not None and instance.phase is not Phase.EXITED:
        why = Reason(Why.DRIFTED, f"version {spec.version} {instance.drift}")
    return pacing.paced(seat, actions.Restart(seat.host, seat.deployment, spec.name, why))


def _renew(seat: Seat, good: InstanceSpec, instance: Instance) -> Step:
    """Its permit may have run out, or have been by a key that no longer counts."""
    text = f"version {good.version} was refused: {instance.detail}"
    return pacing.paced(seat, actions.Renew(seat.host, good, Reason(Why.REFUSED_BY_RUNTIME, text)))


def _preflight(view: View, why: Reason) -> Step:
    return actions.Preflight(view.host, view.wanted, why)


def _preflight_again(view: View) -> Step:
    known = view.seat.facts.preflight
    code = Why.REFUSED if view.stage() is Stage.REFUSED else Why.BLOCKED
    pause = _RETRY_REFUSED_S if code is Why.REFUSED else _RETRY_BLOCKED_S
    until = view.seat.now if known is None else known.at + pause
    said = "" if known is None else "; ".join(known.reasons)
    if view.seat.now >= until:
        return _preflight(view, Reason(code, f"trying again: {said}"))
    return _wait(view.seat, code, said, until)


def _start_candidate(view: View, laggards: list[str]) -> Step:
    if laggards:
        return await_hosts(view, f"not yet verified on {hostlist.folded(laggards)}")
    version = view.wanted.version
    why = Reason(Why.NEW_SPEC, f"Git asks for version {version} at {view.wanted.commit[:12]}")
    return actions.Start(view.host, view.wanted, view.deployment.revision, why)


def _await_candidate(view: View) -> Step:
    instance = view.seat.instance_of(view.wanted)
    if instance is not None and (instance.phase is Phase.EXITED or instance.drift):
        return _restart(view.seat, view.wanted)
    return _await_health(view.seat, view.wanted, instance)


def _accept(view: View) -> Step:
    serving = view.seat.serving()
    against = serving.name if is_healthy(serving) and serving is not None else None
    names = ", ".join(template.metadata.name for template in view.deployment.templates)
    why = Reason(Why.NOT_ACCEPTED, f"version {view.wanted.version} must pass {names}")
    return actions.Accept(view.host, view.wanted, view.deployment.revision, against, why)


def _keep_routed(view: View, stage: Stage, laggards: list[str]) -> Iterator[Step]:
    steps = list(revive(view.seat, view.wanted, None, revision=view.deployment.revision))
    yield from steps
    if steps:
        return
    if stage is Stage.ROUTED:
        text = f"version {view.wanted.version} serves; its predecessor stays until then"
        yield _wait(view.seat, Why.WAITING_TO_SCALE_DOWN, text, view.scale_down_at)
    elif laggards:
        yield await_hosts(view, f"not yet switched for long enough on {hostlist.folded(laggards)}")


def await_hosts(view: View, text: str) -> Wait:
    """It waits for other hosts."""
    return _wait(view.seat, Why.WAITING_FOR_HOSTS, text)


def _await_health(seat: Seat, spec: InstanceSpec, instance: Instance | None) -> Wait:
    is_sick = instance is not None and instance.health in (Health.UNHEALTHY, Health.REFUSED)
    said = f": {instance.detail}" if instance is not None and instance.detail else ""
    code = Why.UNHEALTHY if is_sick else Why.WAITING_FOR_HEALTH
    return _wait(seat, code, f"version {spec.version} is not healthy{said}")


def _wait(seat: Seat, code: Why, text: str, until: float | None = None) -> Wait:
    return Wait(seat.deployment, seat.host, Reason(code, text), until)
