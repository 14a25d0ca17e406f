"""Which hooks of a rollout are to be called now, and what their answers mean. Pure.

`preSync` hooks are a gate: nothing changes on any host before all have said yes, and they are asked
until they do. `postSync` hooks are a judgement: one that never says yes fails the rollout, while
predecessors still run. `syncFail` hooks are told, and whatever they answer changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.core import returning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.hookruns import Call, HookRun
from reconciler.core.kinds import hooks
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Quarantined
from reconciler.core.stage import Stage, View

_LONGEST_BACKOFF_S = 60.0
# What was said of a rollout that did not begin then is not about the one that begins now.
_YES_LASTS_S = 600.0
_NOT_VERIFIED = frozenset({Stage.UNVERIFIED, Stage.REFUSED, Stage.BLOCKED})


def before(
    fleet: Fleet, deployment: Deployment, views: Sequence[View], stages: Mapping[str, Stage]
) -> Iterator[Action | Wait]:
    """The gate, once the version is verified on every host; nothing when it is open."""
    if not _NOT_VERIFIED.isdisjoint(stages.values()) or fleet.has_settled(deployment):
        return
    since = fleet.now - _YES_LASTS_S
    known = fleet.rollout(deployment.key).hooks
    runs = tuple(run for run in known if run.has_begun or run.last_at >= since)
    for hook in deployment.manifest.spec.hooks.pre_sync:
        run = _known(runs, "preSync", hook, deployment.revision)
        if run is None or not run.is_done:
            yield from _call(fleet, "preSync", hook, run, views[0].wanted, deployment.revision)
            return


def after(
    fleet: Fleet, deployment: Deployment, views: Sequence[View], moving: Sequence[View]
) -> Iterator[Action | Wait]:
    """The judgement, once all hosts are done; nothing when it is good."""
    switched = [view.candidate.routed_at or 0.0 for view in moving if view.candidate is not None]
    if not switched or fleet.has_settled(deployment):
        return
    runs = _since(fleet, deployment, max(switched))
    for hook in deployment.manifest.spec.hooks.post_sync:
        run = _known(runs, "postSync", hook, deployment.revision)
        if run is not None and run.is_done:
            continue
        if run is not None and run.tries >= hook.attempts:
            why = Reason(Why.HOOK_FAILED, _words("postSync", hook, run))
            yield from returning.give_up(list(views), moving[0], why)
            return
        yield from _call(fleet, "postSync", hook, run, moving[0].wanted, deployment.revision)
        return


def failed(fleet: Fleet, deployment: Deployment, entry: Quarantined) -> Iterator[Action | Wait]:
    """Who is still to be told that the rollout failed."""
    runs = _since(fleet, deployment, entry.at)
    for hook in deployment.manifest.spec.hooks.sync_fail:
        run = _known(runs, "syncFail", hook, entry.revision)
        if run is None or not (run.is_done or run.tries >= hook.attempts):
            yield from _call(
                fleet, "syncFail", hook, run, entry.spec, entry.revision, said=entry.reason
            )
            return


def _since(fleet: Fleet, deployment: Deployment, at: float) -> tuple[HookRun, ...]:
    """Those of this rollout: the same version may have been here before."""
    return tuple(run for run in fleet.rollout(deployment.key).hooks if run.first_at >= at)


def _known(
    runs: Sequence[HookRun], phase: hooks.Phase, hook: hooks.Hook, revision: str
) -> HookRun | None:
    wanted = phase, hook.name, revision
    found = [run for run in runs if (run.phase, run.name, run.revision) == wanted]
    return found[-1] if found else None


def _call(  # noqa: PLR0913  all that a call is made of
    fleet: Fleet,
    phase: hooks.Phase,
    hook: hooks.Hook,
    run: HookRun | None,
    spec: InstanceSpec,
    revision: str,
    *,
    said: str = "",
) -> Iterator[Action | Wait]:
    now = fleet.now
    if run is None:
        run = HookRun(phase, hook.name, revision, spec.commit, said, now, now)
        run = replace(run, has_begun=phase == "postSync")
    words = _words(phase, hook, run)
    if run.tries:
        until = run.last_at + min(2.0 ** min(run.tries - 1, 10), _LONGEST_BACKOFF_S)
        yield Wait(spec.deployment, None, Reason(Why.HOOK_FAILED, words), until)
        if now < until:
            return
    why = Reason(Why.HOOK_DUE, words)
    yield Call(spec, hook.http.url, hook.http.timeout_seconds, run, why)


def _words(phase: hooks.Phase, hook: hooks.Hook, run: HookRun) -> str:
    if not run.tries:
        return f"{phase} hook {hook.name} has not answered yet"
    times = "once" if run.tries == 1 else f"{run.tries} times"
    return f"{phase} hook {hook.name} failed {times}, lately: {run.detail}"
