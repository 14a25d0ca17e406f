"""How far a promotion is, as it is remembered with the deployment that it leads to. Pure."""

from dataclasses import replace

from reconciler.core import analysis, outcomes
from reconciler.core.experiments.run import Told
from reconciler.core.measurements import Trouble
from reconciler.core.promotions.acts import Assess, Promote, PromoteByHand, Recall, Soak
from reconciler.core.rollout import Answer, Rollout


def asking(known: Rollout, action: Promote) -> Rollout:
    """Before Git is told: whatever becomes of it, there may be a pull request from here on."""
    run = known.promotion
    if run is None or run.id != action.run.id or action.promotion.spec.by == "commit":
        return known
    return replace(known, promotion=replace(run, is_asked=True))


def after(
    known: Rollout, action: Soak | Promote | Recall, outcome: outcomes.Outcome, now: float
) -> Rollout:
    """What to remember; what is about another run changes nothing."""
    if isinstance(action, Soak):
        return replace(known, promotion=action.after)
    if isinstance(action, Recall):
        is_closed = isinstance(outcome, outcomes.Done)
        return replace(known, promotion=action.after) if is_closed else known
    run = known.promotion
    if run is None or run.id != action.run.id:
        return known
    match outcome:
        case outcomes.Brought(where=where, request=request):
            told = Told(where=where, at=now)
            run = replace(run, request=request, overtaken=None, is_asked=False)
        case outcomes.Failed(detail=trouble) | outcomes.Lacking(detail=trouble):
            told = Told(trouble=trouble[:500], tries=run.told.tries + 1, at=now)
            run = replace(run, is_asked=run.is_asked and isinstance(outcome, outcomes.Failed))
        case _:
            return known
    return replace(known, promotion=replace(run, told=told))


def answered(known: Rollout, action: PromoteByHand, outcome: outcomes.Outcome) -> Rollout:
    """Whoever asked hears of it, and asks again where it came to nothing."""
    wish = action.wish
    if known.wish is None or known.wish.id != wish.id:
        return known
    match outcome:
        case outcomes.Done(detail=where):
            answer = Answer(wish.id, refused=False, text=f"version {wish.version}: {where}")
        case outcomes.Failed(detail=trouble) | outcomes.Lacking(detail=trouble):
            answer = Answer(wish.id, refused=True, text=f"changes nothing: {trouble[:500]}")
        case _:
            return known
    return replace(known, wish=None, granted=wish.id, answer=answer)


def assessed(known: Rollout, action: Assess, outcome: outcomes.Outcome, now: float) -> Rollout:
    """What was measured, or that it could not be, into the run that it was asked for."""
    run, asked = known.promotion, action.run.analysis
    if run is None or run.analysis is None or asked is None or run.id != action.run.id:
        return known
    match outcome:
        case outcomes.Measured(found):
            pass
        case outcomes.Failed(detail=trouble):
            found = tuple((name, Trouble(trouble)) for name in action.metrics)
        case _:
            return known
    judged = analysis.conclude(run.analysis, asked, found, now)
    return replace(known, promotion=replace(run, analysis=judged))
