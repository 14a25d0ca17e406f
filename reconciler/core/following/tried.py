"""How far following is, as it is remembered with the deployment. Pure."""

from dataclasses import replace

from reconciler.core import outcomes
from reconciler.core.experiments.run import Told
from reconciler.core.following.acts import Bump, Track, Withdraw
from reconciler.core.rollout import Rollout

_LONGEST_TEXT = 500


def after(
    known: Rollout, action: Track | Bump | Withdraw, outcome: outcomes.Outcome, now: float
) -> Rollout:
    """What to remember; what is about something that was seen before changes nothing."""
    run = known.following
    if isinstance(action, Track):
        return replace(known, following=action.after)
    if run is None or (run.rule, run.since) != (action.run.rule, action.run.since):
        return known
    match outcome:
        case outcomes.Brought() as told:
            found = replace(
                run,
                brought=told.version,
                brought_by=run.moved,
                told=Told(where=told.where, at=now),
                request=told.request,
            )
        case outcomes.Failed(detail=trouble) | outcomes.Lacking(detail=trouble):
            tries = run.told.tries + 1
            told_so_far = Told(run.told.where, trouble[:_LONGEST_TEXT], tries, now)
            found = replace(run, told=told_so_far)
        case outcomes.Done() if isinstance(action, Withdraw):
            found = replace(run, request=None)
        case _:
            return known
    return replace(known, following=found)
