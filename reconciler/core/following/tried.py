"""How far following is, as it is remembered with the deployment. Pure."""

from dataclasses import replace

from reconciler.core import outcomes
from reconciler.core.experiments.run import Told
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.following.run import Run
from reconciler.core.rollout import Rollout

_LONGEST_TEXT = 500


def asking(known: Rollout, action: Bump) -> Rollout:
    """Before Git is told: whatever becomes of it, there may be a pull request from here on."""
    run = known.following
    if run is None or not _is_about(run, action) or action.rule.by == "commit":
        return known
    return replace(known, following=replace(run, is_asked=True))


def after(
    known: Rollout, action: Track | Bump | Withdraw, outcome: outcomes.Outcome, now: float
) -> Rollout:
    """What to remember; what is about something that was seen before changes nothing."""
    run = known.following
    if isinstance(action, Track):
        return replace(known, following=action.after)
    if run is None or not _is_about(run, action):
        return known
    match outcome:
        case outcomes.Brought() as told:
            found = replace(
                run,
                brought=told.version,
                brought_by=run.moved,
                told=Told(where=told.where, at=now),
                request=told.request,
                is_asked=False,
            )
        case outcomes.Failed(detail=trouble) | outcomes.Lacking(detail=trouble):
            tries = run.told.tries + 1
            told_so_far = Told(run.told.where, trouble[:_LONGEST_TEXT], tries, now)
            is_asked = run.is_asked and isinstance(outcome, outcomes.Failed)
            found = replace(run, told=told_so_far, is_asked=is_asked)
        case outcomes.Done() if isinstance(action, Withdraw):
            found = replace(run, request=None, is_asked=False)
        case _:
            return known
    return replace(known, following=found)


def _is_about(run: Run, action: Bump | Withdraw) -> bool:
    return (run.rule, run.since) == (action.run.rule, action.run.since)
