"""What is asked for while an experiment is under way: its deployment, at the treatment. Pure.

As with a pin, the planner is handed another deployment and takes no other path, so trust, policies
and acceptance tests hold for the treatment as for any version. Its program is one step that only
the experiment's end, a person's abort or a treatment that fails can end.
"""

from dataclasses import replace

from reconciler.core import kinds, pinning
from reconciler.core.desired import Deployment, DesiredState, Trial
from reconciler.core.experiments.run import Run
from reconciler.core.kinds.experiment import Experiment, ExperimentSpec
from reconciler.core.kinds.fleet import FleetRollout
from reconciler.core.rollout import NO_ROLLOUT, Rollouts
from reconciler.core.strategies import program


def wanted(state: DesiredState, rollouts: Rollouts, now: float) -> DesiredState:
    """What is asked for now: what Git does, but for what is pinned, or tried by an experiment."""
    return applied(pinning.applied(state, rollouts, now), rollouts)


def applied(state: DesiredState, rollouts: Rollouts) -> DesiredState:
    """With the deployments whose experiments are under way at the treatment."""
    # Which deployment a file speaks of that cannot be read nobody knows.
    keys = rollouts if state.broken_experiments else state.experiments
    tried = dict[str, Deployment]()
    for key in keys:
        deployment = state.deployments.get(key)
        run = rollouts.get(key, NO_ROLLOUT).experiment
        if deployment is None or run is None or stopped(state, deployment, run):
            continue
        tried[key] = treated(deployment, run)
    return replace(state, deployments={**state.deployments, **tried}) if tried else state


def stopped(state: DesiredState, deployment: Deployment, run: Run) -> bool:
    """Whether `run` is over, or Git asks for something else by now."""
    asked = state.experiments.get(deployment.key)
    return run.decision is not None or bool(
        why_stopped(deployment, run, asked, is_broken=run.name in state.broken_experiments)
    )


def why_stopped(
    deployment: Deployment, run: Run, asked: Experiment | None, *, is_broken: bool
) -> str:
    """What in Git, or which pin, ends `run`; empty where nothing does."""
    if deployment.pin is not None:
        return pinning.words(deployment.pin)
    if said := mismatched(pinning.of_git(deployment).manifest, run.spec):
        return said
    if asked is None:
        return "" if is_broken else f"models.d/experiments/{run.name}.yaml is no longer in Git"
    return "" if run.is_of(asked) else f"{Experiment.folder}/{asked.metadata.name}.yaml was changed"


def mismatched(manifest: kinds.ModelDeployment, spec: ExperimentSpec) -> str:
    """Why the control is not what the deployment's file asks for; empty where it is."""
    model, control = manifest.spec.model, spec.control
    if (model.version, model.digest) == (control.version, control.digest):
        return ""
    if model.version == control.version:
        return f"{spec.deployment} asks for another digest than that of {control.name}"
    return (
        f"{spec.deployment} asks for version {model.version}, and {control.name} is version "
        f"{control.version}"
    )


def treated(deployment: Deployment, run: Run) -> Deployment:
    """The deployment as it would be if Git asked for the treatment, and shared users for ever."""
    found = _at_treatment(deployment, run.spec)
    # All hosts at once: what one wave saw is not what all users do.
    asked = found.manifest.spec.model_copy(update={"fleet": FleetRollout()})
    return replace(
        found,
        manifest=found.manifest.model_copy(update={"spec": asked}),
        pinned_from=deployment,
        trial=Trial(run.name, run.spec.treatment.weight, program.sticky(run.spec.unit)),
    )


def revision(deployment: Deployment, spec: ExperimentSpec) -> str:
    """What the treatment's rollout would be quarantined by."""
    return _at_treatment(deployment, spec).revision


def _at_treatment(deployment: Deployment, spec: ExperimentSpec) -> Deployment:
    version, digest = spec.treatment.version, spec.treatment.digest
    return deployment.asking_for(
        replace(deployment.spec_on("", ""), version=version, digest=digest)
    )
