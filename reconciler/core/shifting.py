"""What a host is asked for while a rollout goes through its strategy. Pure.

The share of a host follows from the rollout's progress and from what is well there, each time
anew: a host that comes back late, or whose ingress was changed, is brought to the present step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconciler.core import actions, analysis, hostplan
from reconciler.core.actions import Action, Wait
from reconciler.core.hostplan import Step
from reconciler.core.reasons import Reason, Why
from reconciler.core.seat import is_healthy
from reconciler.core.stage import Stage, View
from reconciler.core.strategies import runs
from reconciler.core.strategies.program import describe
from reconciler.core.strategies.progress import Progress, State
from reconciler.core.strategies.pursuit import Facts, Pursuit, pause_until, wanted_share
from reconciler.core.strategies.table import Event
from registry.core import hostlist


def accepted(view: View, found: Pursuit, laggards: list[str]) -> Iterator[Step]:
    """A host whose candidate is accepted: its share, all of the traffic, or a wait."""
    progress = found.progress
    if view.seat.share_of(view.wanted) is not None and _is_strange(view):
        yield from take_back(view)
        return
    yield from hostplan.tend(view.seat, starting=view.wanted)
    yield from hostplan.remove_superseded(view)
    if progress is None and not found.is_late:
        yield hostplan.await_hosts(view, f"not yet accepted on {hostlist.folded(laggards)}")
    elif progress is None or progress.has_switched:
        yield _promote(view, laggards)
    elif view.stable is None:
        text = "nothing serves here to share traffic with, until all of it moves"
        yield hostplan.await_hosts(view, text)
    else:
        yield from _share(view, found, progress)


def take_back(view: View) -> Iterator[Step]:
    """A share that is not asked for goes back to who serves, before anything else happens."""
    yield from hostplan.tend(view.seat, starting=view.wanted)
    for model, route in sorted(view.seat.remains.routes.items()):
        if route.share is not None:
            text = f"{route.share.instance} gets no traffic any more"
            spec = replace(view.wanted, model=model)
            why = Reason(Why.SUPERSEDED, text)
            yield actions.Shift(view.host, spec, route.instance, None, why)


def ended(views: Sequence[View]) -> Iterator[Action | Wait]:
    """A candidate that was only looked at leaves; who serves is looked after."""
    for view in views:
        steps: Iterator[Step]
        if view.seat.shared:
            steps = take_back(view)
        elif (good := view.seat.facts.last_good) is not None:
            why = Reason(Why.ENDED, f"version {view.wanted.version} was only looked at")
            steps = hostplan.heal(view.seat, good, because=why)
        else:
            steps = hostplan.abandon(view, "it was only looked at")
        yield from hostplan.held_back(view.seat, steps)


def abortion(found: Pursuit) -> Reason:
    """Why a rollout goes back that no host has failed."""
    progress = found.progress
    text = f"{found.step}: {progress.reason}" if progress is not None else ""
    match progress.code if progress is not None else "":
        case Event.FAILED:
            return Reason(Why.ANALYSIS_FAILED, f"an analysis failed at {text}")
        case Event.ERRED:
            return Reason(Why.ANALYSIS_ERRED, f"an analysis could not be measured at {text}")
        case _:
            return Reason(Why.ABORTED, f"aborted at {text}")


def waits(key: str, found: Pursuit) -> Iterator[Wait]:
    """What the rollout as a whole waits for."""
    progress = found.progress
    if progress is None:
        return
    match progress.state:
        case State.WAITING:
            until = pause_until(found.program, progress)
            yield Wait(key, None, Reason(Why.WAITING_FOR_STEP, f"{found.where}: a pause"), until)
        case State.PAUSED:
            text = f"{found.where}: a person must let it go on: plimsoll promote {key}"
            yield Wait(key, None, Reason(Why.WAITING_FOR_PROMOTION, text))
        case State.HELD:
            code = Why.INCONCLUSIVE if progress.code == "inconclusive" else Why.HELD_BY_PERSON
            text = f"{found.where}: {progress.reason}; plimsoll promote, resume or abort {key}"
            yield Wait(key, None, Reason(code, text))
        case State.MEASURING if progress.analysis is not None:
            said = analysis.phase(progress.analysis).reason
            ends = (analysis.next_at(progress.analysis), runs.gives_up_at(found.program, progress))
            until = min((at for at in ends if at is not None), default=None)
            why = Reason(Why.WAITING_FOR_ANALYSIS, f"{found.where}: {said}")
            yield Wait(key, None, why, until)
        case State.ENDED:
            text = f"{found.where}: the shadow has ended; plimsoll promote {key}, or change Git"
            yield Wait(key, None, Reason(Why.ENDED, text))
        case _:
            pass
    if progress.beside is not None and (until := analysis.next_at(progress.beside)):
        said = analysis.phase(progress.beside).reason
        yield Wait(key, None, Reason(Why.WAITING_FOR_ANALYSIS, said), until)


def measures(found: Pursuit, facts: Facts) -> Iterator[actions.Measure]:
    """The measurements that are due, on all hosts whose candidate has come so far."""
    progress = found.progress
    there = [
        view
        for view in facts.reached(Stage.ACCEPTED, Stage.ROUTED, Stage.BAKED)
        if is_healthy(view.seat.instance_of(view.wanted))
    ]
    if progress is None or not there or progress.state in (State.ENDED, State.ABORTED):
        return
    pairs = tuple(actions.Pair(view.wanted, _compared(view)) for view in there)
    for run in (progress.analysis, progress.beside):
        if run is not None and (due := analysis.due(run, facts.now)):
            why = Reason(Why.MEASUREMENT_DUE, f"{found.step}: {', '.join(due)}")
            yield actions.Measure(pairs, run, due, why)


def _compared(view: View) -> str | None:
    """Who serves beside the candidate, or served before it."""
    if view.stable is not None:
        return view.stable
    good = view.seat.facts.last_good
    there = None if good is None else view.seat.instance_of(good)
    return there.name if is_healthy(there) and there is not None else None


def _is_strange(view: View) -> bool:
    """Whether the share is somebody else's than the candidate's: a version that was replaced."""
    share = view.seat.share_of(view.wanted)
    return share is not None and share.instance != view.wanted.name


def _promote(view: View, laggards: list[str]) -> Step:
    if laggards:
        return hostplan.await_hosts(view, f"not yet accepted on {hostlist.folded(laggards)}")
    text = f"version {view.wanted.version} is accepted on all hosts"
    return actions.RouteTo(view.host, view.wanted, Reason(Why.ACCEPTED, text))


def _share(view: View, found: Pursuit, progress: Progress) -> Iterator[Step]:
    """The last known good first gets the rest, where something else has it."""
    seat, good = view.seat, view.seat.facts.last_good
    if good is not None and not seat.is_routed(good):
        text = f"version {good.version} serves until version {view.wanted.version} has its part"
        yield from hostplan.revive(seat, good, Reason(Why.SUPERSEDED, text))
        return
    share = wanted_share(found.program, progress, view)
    if view.stable is None or seat.share_of(view.wanted) == share:
        return
    text = f"{found.step}: {describe(share)} to version {view.wanted.version}"
    yield actions.Shift(view.host, view.wanted, view.stable, share, Reason(Why.STEP, text))
