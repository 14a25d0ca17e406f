"""The next step of a deployment's experiment: to begin it, to look at it, to end it. Pure.

It begins once the control serves on all hosts, and ends by what was observed, by the horizon, or by
what takes its place; sharing users in between is the planner's, by the deployment that it is handed
meanwhile (`applied`).
"""

from collections.abc import Iterator

from reconciler.core import pinning
from reconciler.core.actions import Action, Wait
from reconciler.core.desired import Deployment
from reconciler.core.experiments import applied, deciding, winning
from reconciler.core.experiments.acts import Begin, Decide, Look, Shared
from reconciler.core.experiments.run import Decision, Run, Verdict
from reconciler.core.fleet import Fleet
from reconciler.core.kinds.experiment import Experiment
from reconciler.core.reasons import Reason, Why
from reconciler.core.seat import is_healthy
from reconciler.core.stage import View
from reconciler.core.strategies.progress import State


def steps(fleet: Fleet, deployment: Deployment) -> Iterator[Action | Wait]:
    """What is to be done and waited for about the experiment of `deployment`, if it has one."""
    asked, run = fleet.experiment(deployment.key), fleet.rollout(deployment.key).experiment
    if run is not None and run.decision is None:
        yield from _under_way(fleet, deployment, asked, run)
    elif asked is not None and (run is None or not run.is_of(asked)):
        yield from _begin(fleet, deployment, asked)
    elif asked is not None and run is not None:
        yield from winning.steps(fleet, deployment, run)


def _begin(fleet: Fleet, deployment: Deployment, asked: Experiment) -> Iterator[Action | Wait]:
    if why := _not_yet(fleet, deployment, asked):
        text = f"the experiment {asked.metadata.name} cannot begin: {why}"
        yield Wait(deployment.key, None, Reason(Why.WAITING_FOR_EXPERIMENT, text))
        return
    run = Run(asked.metadata.name, asked.spec, fleet.now)
    treatment = asked.spec.treatment
    text = (
        f"the experiment {run.name} begins: {treatment.weight} % of all users get "
        f"{treatment.name}, version {treatment.version}"
    )
    spec = applied.treated(deployment, run).spec_on("", fleet.commit)
    yield Begin(deployment.key, run, spec, Reason(Why.EXPERIMENT, text))


def _not_yet(fleet: Fleet, deployment: Deployment, asked: Experiment) -> str:
    """Why it cannot begin now; empty where it can."""
    if deployment.manifest.spec.suspend:
        return f"{deployment.path} says suspend: true"
    if deployment.pin is not None:
        return pinning.words(deployment.pin)
    if said := applied.mismatched(deployment.manifest, asked.spec):
        return said
    revision = applied.revision(deployment, asked.spec)
    if entry := fleet.rollout(deployment.key).quarantine_of(revision):
        return f"version {asked.spec.treatment.version} is quarantined: {entry.reason}"
    return _not_served(fleet, deployment, asked)


def _not_served(fleet: Fleet, deployment: Deployment, asked: Experiment) -> str:
    views = {view.host: view for view in fleet.views(deployment)}
    for host in deployment.hosts:
        view = views.get(host)
        if view is None:
            return f"{host} cannot be reached"
        if not (view.is_settled and _serves(view)):
            return f"version {asked.spec.control.version} does not serve everybody on {host} yet"
    return "" if deployment.hosts else "it has no host"


def _under_way(
    fleet: Fleet, deployment: Deployment, asked: Experiment | None, run: Run
) -> Iterator[Action | Wait]:
    key, now = deployment.key, fleet.now
    why = applied.why_stopped(
        deployment, run, asked, is_broken=fleet.is_broken_experiment(run.name)
    ) or _failed(fleet, deployment)
    decision = Decision(Verdict.STOPPED, why, now) if why else deciding.decision(run, now)
    if decision is not None:
        spec = applied.treated(pinning.of_git(deployment), run).spec_on("", fleet.commit)
        text = f"the experiment {run.name} is over: {decision.reason}"
        yield Decide(key, run, decision, spec, Reason(Why.EXPERIMENT, text))
        return
    hosts = tuple(_shared(fleet, deployment))
    if hosts and now >= run.next_look_at:
        why_now = Reason(Why.OBSERVATION_DUE, f"the experiment {run.name}: look {run.looks + 1}")
        yield Look(key, run, deployment.manifest.spec.model.name, hosts, why_now)
    yield Wait(key, None, _standing(run, is_shared=bool(hosts)), _until(run, now))


def _failed(fleet: Fleet, deployment: Deployment) -> str:
    entry = fleet.rollout(deployment.key).quarantine_of(deployment.revision)
    return "" if entry is None else entry.reason


def _shared(fleet: Fleet, deployment: Deployment) -> Iterator[Shared]:
    """The hosts on which users are shared at this moment, as they should be."""
    progress = fleet.rollout(deployment.key).progress
    if progress is None or progress.revision != deployment.revision:
        return
    if progress.state is not State.OBSERVING:
        return
    for view in fleet.views(deployment):
        share = view.seat.share_of(view.wanted)
        control = view.stable
        is_there = share is not None and share.instance == view.wanted.name
        if is_there and control is not None and is_healthy(view.seat.instance_of(view.wanted)):
            yield Shared(view.wanted, control)


def _standing(run: Run, *, is_shared: bool) -> Reason:
    said = deciding.standing(run, run.spec.metric)
    if run.trouble:
        said = f"{said}; cannot be measured: {run.trouble}"
    elif not run.looks and not is_shared:
        said = f"users are not shared yet with version {run.spec.treatment.version}"
    return Reason(Why.WAITING_FOR_EXPERIMENT, f"the experiment {run.name}: {said}")


def _until(run: Run, now: float) -> float:
    return min(max(run.next_look_at, now + 1), run.ends_at)


def _serves(view: View) -> bool:
    return view.seat.is_routed(view.wanted) and is_healthy(view.seat.instance_of(view.wanted))
