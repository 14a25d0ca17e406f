"""A deployment held at a version against Git: what is asked for then, and when it is over. Pure.

A pin is no other path: the planner is handed a deployment that asks for the pinned version, so
verification, policies and acceptance tests hold for it as for any. Steps, waves and dependencies
do not: it is for emergencies.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.core import actions, changes
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment, DesiredState
from reconciler.core.fleet import Fleet
from reconciler.core.kinds import ModelDeployment
from reconciler.core.kinds.fleet import FleetRollout
from reconciler.core.kinds.strategy import Strategy
from reconciler.core.reasons import Reason, Why
from reconciler.core.rollout import Pin, Rollouts
from reconciler.core.strategies.progress import Verb, Wish


def applied(state: DesiredState, rollouts: Rollouts, now: float) -> DesiredState:
    """What is asked for now: what Git does, but for what is pinned."""
    pinned = {
        key: held(deployment, known.pin)
        for key, known in rollouts.items()
        if known.pin is not None
        and (deployment := state.deployments.get(key)) is not None
        and _ending(deployment, known.pin, now) is None
        and not deployment.manifest.spec.suspend
    }
    return replace(state, deployments={**state.deployments, **pinned}) if pinned else state


def held(deployment: Deployment, pin: Pin) -> Deployment:
    """The deployment as it would be if Git asked for the pinned version, at once everywhere."""
    wanted = replace(deployment.spec_on("", ""), version=pin.version, digest=pin.digest)
    found = deployment.asking_for(wanted)
    return replace(found, manifest=_hurried(found.manifest), pin=pin, pinned_from=deployment)


def of_git(deployment: Deployment) -> Deployment:
    """What Git asks for, pinned or not."""
    return deployment.pinned_from or deployment


def words(pin: Pin) -> str:
    """For people: which version, until when, and why."""
    until = datetime.fromtimestamp(pin.until, UTC).strftime("%Y-%m-%dT%H:%MZ")
    return f"pinned at version {pin.version} until {until}: {pin.reason}"


def notes(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    """A pin is seen for as long as it holds, and forgotten once it is over."""
    key = deployment.key
    pin = fleet.rollout(key).pin
    if pin is None:
        return
    if deployment.pin is not None:
        version = of_git(deployment).manifest.spec.model.version
        text = f"{words(pin)}; Git asks for version {version}; plimsoll unpin {key}"
        yield Wait(key, None, Reason(Why.PINNED, text), pin.until)
    elif (ending := _ending(deployment, pin, fleet.now)) is not None:
        wish = Wish(f"{pin.id}-over", Verb.UNPIN, ending)
        spec = deployment.spec_on("", fleet.commit)
        why = Reason(Why.UNPINNED, f"no longer {words(pin)}; {ending}")
        yield actions.Grant(key, spec, wish, changes.LetGo(pin.id), why)


def _ending(deployment: Deployment, pin: Pin, now: float) -> str | None:
    if of_git(deployment).manifest.spec.model.digest == pin.digest:
        return f"Git asks for version {pin.version} by now"
    return "its time is over" if now >= pin.until else None


def _hurried(manifest: ModelDeployment) -> ModelDeployment:
    spec = manifest.spec
    strategy = spec.strategy
    if strategy.in_place is None:
        seconds = strategy.scale_down_delay_seconds
        strategy = Strategy.model_validate({"blueGreen": {"scaleDownDelaySeconds": seconds}})
    asked = {"strategy": strategy, "fleet": FleetRollout()}
    return manifest.model_copy(update={"spec": spec.model_copy(update=asked)})
