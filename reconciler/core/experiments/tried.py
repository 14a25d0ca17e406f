"""How memory of an experiment changes once an action about it has ended. Pure, safe to repeat."""

from dataclasses import replace

from reconciler.core import hookruns, outcomes
from reconciler.core.experiments import run as runs
from reconciler.core.experiments.acts import Begin, Decide, Look, OfExperiment, Propose
from reconciler.core.rollout import Rollout


def after(
    known: Rollout, action: OfExperiment | Propose, outcome: outcomes.Outcome, now: float
) -> Rollout:
    """What to remember; what failed, or is of another run, changes nothing."""
    run = known.experiment
    if isinstance(action, Propose):
        return _proposed(known, action, outcome, now)
    if isinstance(outcome, outcomes.Failed):
        return known
    match action:
        case Begin():
            is_new = run is None or run.decision is not None
            return replace(known, experiment=action.run) if is_new else known
        case Look() if run is not None and isinstance(outcome, outcomes.Looked):
            return replace(known, experiment=runs.looked(run, action.run, outcome.found, now))
        case Decide() if run is not None and run.id == action.run.id and run.decision is None:
            ended = replace(run, decision=action.decision)
            # It was the treatment's; what comes next begins at its own first step.
            told = hookruns.over(known.hooks)
            return replace(known, experiment=ended, progress=None, hooks=told)
        case Look() | Decide():
            return known


def _proposed(known: Rollout, action: Propose, outcome: outcomes.Outcome, now: float) -> Rollout:
    run = known.experiment
    if run is None or run.id != action.run.id:
        return known
    if isinstance(outcome, outcomes.Done):
        told = runs.Told(where=outcome.detail, at=now)
    else:
        trouble = outcome.detail if isinstance(outcome, outcomes.Failed) else ""
        told = runs.Told(trouble=trouble, tries=run.told.tries + 1, at=now)
    return replace(known, experiment=replace(run, told=told))
