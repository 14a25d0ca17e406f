"""Which analyses run at a rollout's step, and what those that ran amount to. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.core import analysis
from reconciler.core.kinds import AnalysisTemplate
from reconciler.core.strategies.program import Analyse, Conclude, Program
from reconciler.core.strategies.progress import Progress, State
from reconciler.core.strategies.table import Event

# Beyond the time that an analysis takes when there is enough to measure.
_PATIENCE_S = 1800
_RESTING = frozenset({State.HELD, State.ENDED, State.ABORTED, State.DONE})
_ENDED = {
    analysis.Phase.SUCCESSFUL: Event.SUCCEEDED,
    analysis.Phase.FAILED: Event.FAILED,
    analysis.Phase.ERROR: Event.ERRED,
    analysis.Phase.INCONCLUSIVE: Event.INCONCLUSIVE,
}


def begun(
    program: Program, progress: Progress, templates: Mapping[str, AnalysisTemplate], now: float
) -> Progress:
    """With the analyses that should run at its step."""
    if progress.state in _RESTING:
        return progress
    step = program.steps[progress.index]
    match step:
        case Conclude() if progress.beside is not None:
            ended = analysis.finish(progress.beside)
            return replace(progress, analysis=ended, beside=None)
        case Analyse() if progress.analysis is None:
            progress = replace(progress, analysis=_run(step, templates, now))
        case _:
            pass
    beside = program.beside
    if beside is None or progress.beside is not None or not _runs_beside(program, progress):
        return progress
    return replace(progress, beside=_run(beside.what, templates, now))


def gives_up_at(program: Program, progress: Progress) -> float | None:
    """When the analysis that the step waits for is inconclusive, if it has not ended by then."""
    run, at = progress.analysis, progress.index
    step = program.steps[at] if at < len(program.steps) else None
    if progress.state is not State.MEASURING or run is None or not isinstance(step, Analyse):
        return None
    timeout = analysis.shortest(run) + _PATIENCE_S if step.timeout is None else step.timeout
    return run.began_at + timeout


def given_up(program: Program, progress: Progress, now: float) -> Progress:
    """With the analysis that the step waits for given up, where that has come to take too long."""
    until, run = gives_up_at(program, progress), progress.analysis
    if until is None or run is None or now < until:
        return progress
    said = f"given up after {round(until - run.began_at)} s"
    return replace(progress, analysis=analysis.give_up(run, said))


def _runs_beside(program: Program, progress: Progress) -> bool:
    first = len(program.steps) if program.beside is None else program.beside.first
    is_over = progress.has_switched or isinstance(program.steps[progress.index], Conclude)
    return not is_over and progress.index >= first


def _run(
    wanted: Analyse, templates: Mapping[str, AnalysisTemplate], now: float
) -> analysis.AnalysisRun:
    found = [templates[name] for name in wanted.templates if name in templates]
    return analysis.begin(found, dict(wanted.args), now)


def event(progress: Progress) -> tuple[Event, str] | None:
    """What the analyses of a rollout have come to, and why."""
    if progress.beside is not None:
        judged = analysis.phase(progress.beside)
        if judged.phase in analysis.ENDED_BADLY:
            return _ENDED[judged.phase], judged.reason
    if progress.state is State.MEASURING and progress.analysis is not None:
        judged = analysis.phase(progress.analysis)
        if judged.phase in analysis.ENDED:
            return _ENDED[judged.phase], judged.reason
    return None
