"""An analysis on its way: what to measure when, what each measurement says, how it stands. Pure.

The semantics are Argo Rollouts'. Ours is `minimumSamples`: a measurement on too few counts as
neither success nor failure, and the run waits for the next, until whoever began it gives up on
it: then it is Inconclusive. The templates are part of the run, so a commit in its middle
changes nothing of it. A run only ever gets worse: what has failed does not succeed any more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from reconciler.core import measurements
from reconciler.core.kinds.analysis import AnalysisTemplate, Metric
from reconciler.core.measurements import Found, Measurement, NotEnough, Said, Taken, Trouble
from registry.core import strict
from registry.core.canonical import Json

# After an error, or too few samples, where the metric itself has no interval.
_AGAIN_S = 10.0
_KEPT = 10
_LONGEST_TEXT = 500


class Phase(StrEnum):
    """Argo Rollouts' words."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    ERROR = "Error"
    INCONCLUSIVE = "Inconclusive"


_FROM_BEST = (
    Phase.SUCCESSFUL, Phase.PENDING, Phase.RUNNING, Phase.INCONCLUSIVE, Phase.ERROR, Phase.FAILED,
)  # fmt: skip
ENDED_BADLY = frozenset({Phase.FAILED, Phase.ERROR, Phase.INCONCLUSIVE})
ENDED = ENDED_BADLY | {Phase.SUCCESSFUL}


@dataclass(frozen=True, slots=True)
class MetricRun:
    """One metric so far. `ended` is set by `finish` and `give_up`, from outside."""

    metric: Metric
    template: str
    counts: Mapping[Said, int] = field(default_factory=dict)
    consecutive_errors: int = 0
    taken: tuple[Taken, ...] = ()
    memo: Mapping[str, Json] = field(default_factory=dict)
    ended: Phase | None = None

    def count(self, said: Said) -> int:
        """How often a measurement said so."""
        return self.counts.get(said, 0)


@dataclass(frozen=True, slots=True)
class AnalysisRun:
    """All metrics of an analysis; `reason` is why it was given up, if it was."""

    metrics: tuple[MetricRun, ...]
    args: Mapping[str, str]
    began_at: float
    reason: str = ""

    def metric(self, name: str) -> MetricRun | None:
        """The metric called `name`."""
        return next((one for one in self.metrics if one.metric.name == name), None)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a run stands, and why, in a sentence."""

    phase: Phase
    reason: str


def begin(
    templates: Sequence[AnalysisTemplate], args: Mapping[str, str], now: float
) -> AnalysisRun:
    """A run of all metrics of `templates`; `args` come before the templates' own values."""
    known = {arg.name: arg.value for one in templates for arg in one.spec.args}
    defaults = {name: value for name, value in known.items() if value is not None}
    return AnalysisRun(
        metrics=tuple(
            MetricRun(metric, template.metadata.name)
            for template in templates
            for metric in template.spec.metrics
        ),
        args={**defaults, **args},
        began_at=now,
    )


def due(run: AnalysisRun, now: float) -> tuple[str, ...]:
    """The names of the metrics to measure now; none once the run has ended."""
    if phase(run).phase in ENDED:
        return ()
    return tuple(one.metric.name for one in run.metrics if _next_at(run, one) <= now)


def next_at(run: AnalysisRun) -> float | None:
    """When the next measurement is due, in seconds since the epoch; None once the run has ended."""
    if phase(run).phase in ENDED:
        return None
    times = [at for one in run.metrics if (at := _next_at(run, one)) != math.inf]
    return min(times, default=None)


def record(run: AnalysisRun, name: str, measurement: Measurement, now: float) -> AnalysisRun:
    """The run after `name` was measured; unchanged where that metric has ended, or is not there."""
    metrics = tuple(
        _counted(run, one, measurement, now) if one.metric.name == name and _is_open(one) else one
        for one in run.metrics
    )
    return replace(run, metrics=metrics)


def conclude(
    run: AnalysisRun,
    asked: AnalysisRun,
    found: Sequence[tuple[str, Measurement]],
    now: float,
) -> AnalysisRun:
    """The run after what was measured for it as it was when `asked`; what was measured for
    another one, that began at another time or for something else, changes nothing."""
    if (run.began_at, run.args) != (asked.began_at, asked.args):
        return run
    for name, measurement in found:
        one, then = run.metric(name), asked.metric(name)
        if one is not None and then is not None and one.taken == then.taken:
            run = record(run, name, measurement, now)
    return run


def phase(run: AnalysisRun) -> Judgement:
    """The worst of what its metrics have come to; successful once all of them are."""
    judged = [_judged(one) for one in run.metrics]
    bad = [one for one in judged if one.phase in ENDED_BADLY]
    if bad:
        worst = max(bad, key=lambda one: _FROM_BEST.index(one.phase))
        said = f"{worst.reason}; {run.reason}" if run.reason else worst.reason
        return Judgement(worst.phase, said)
    if all(one.phase is Phase.SUCCESSFUL for one in judged):
        return Judgement(Phase.SUCCESSFUL, "; ".join(one.reason for one in judged))
    still = "; ".join(one.reason for one in judged if one.phase is not Phase.SUCCESSFUL)
    if all(one.phase is Phase.PENDING for one in judged):
        return Judgement(Phase.PENDING, still)
    return Judgement(Phase.RUNNING, still)


def shortest(run: AnalysisRun) -> int:
    """In how many seconds it could have measured everything, at the earliest."""
    return max((_shortest(one.metric) for one in run.metrics), default=0)


def _shortest(metric: Metric) -> int:
    interval = strict.duration_seconds(metric.interval) if metric.interval else 0
    return strict.duration_seconds(metric.initial_delay) + interval * ((metric.count or 1) - 1)


def finish(run: AnalysisRun) -> AnalysisRun:
    """What ran beside the steps ends with them: what has not failed, and was measured, succeeded.

    A metric without one judged measurement is inconclusive: nobody has seen that it is good.
    """
    return replace(run, metrics=tuple(_finished(one) for one in run.metrics))


def give_up(run: AnalysisRun, reason: str) -> AnalysisRun:
    """It takes too long: what is still open is inconclusive."""
    metrics = tuple(
        replace(one, ended=Phase.INCONCLUSIVE) if _is_open(one) else one for one in run.metrics
    )
    return replace(run, metrics=metrics, reason=reason[:_LONGEST_TEXT])


def _finished(one: MetricRun) -> MetricRun:
    if not _is_open(one):
        return one
    was_good = one.count(Said.SUCCESS) > 0
    return replace(one, ended=Phase.SUCCESSFUL if was_good else Phase.INCONCLUSIVE)


def _is_open(one: MetricRun) -> bool:
    return _judged(one).phase not in ENDED


def _judged(one: MetricRun) -> Judgement:
    """Errors do not count as measurements; a limit of -1 is none."""
    metric, name = one.metric, one.metric.name
    limits = (
        (one.count(Said.FAILURE), metric.failure_limit, Phase.FAILED, "failed"),
        (one.consecutive_errors, metric.consecutive_error_limit, Phase.ERROR, "errors in a row"),
        (one.count(Said.INCONCLUSIVE), metric.inconclusive_limit, Phase.INCONCLUSIVE,
         "inconclusive"),
    )  # fmt: skip
    for count, limit, ends, words in limits:
        if 0 <= limit < count:
            return Judgement(
                ends, f"{name}: {count} {words}, at most {limit} allowed{_last(one, ends)}"
            )
    if one.ended is not None:
        return Judgement(one.ended, f"{name}: {_tally(one)}{_last(one, one.ended)}")
    counted = one.count(Said.SUCCESS) + one.count(Said.FAILURE) + one.count(Said.INCONCLUSIVE)
    wanted = metric.count or (None if metric.interval else 1)
    if wanted is not None and counted >= wanted:
        return Judgement(Phase.SUCCESSFUL, f"{name}: {_tally(one)}")
    if not one.taken:
        return Judgement(Phase.PENDING, f"{name}: not measured yet")
    of = f" of {wanted}" if wanted is not None else ""
    return Judgement(Phase.RUNNING, f"{name}: {counted}{of} measured{_last(one, Phase.RUNNING)}")


def _tally(one: MetricRun) -> str:
    return ", ".join(f"{one.count(said)} {said}" for said in Said if one.count(said)) or "nothing"


_TELLING = {
    Phase.FAILED: {Said.FAILURE},
    Phase.ERROR: {Said.ERROR},
    Phase.INCONCLUSIVE: {Said.INCONCLUSIVE, Said.NOT_ENOUGH, Said.ERROR},
    Phase.RUNNING: {Said.NOT_ENOUGH, Said.ERROR},
    Phase.PENDING: set[Said](),
    Phase.SUCCESSFUL: set[Said](),
}


def _last(one: MetricRun, ends: Phase) -> str:
    """What was measured last, where it explains how the metric stands."""
    taken = one.taken[-1] if one.taken else None
    return f": {taken.text}" if taken is not None and taken.said in _TELLING[ends] else ""


def _next_at(run: AnalysisRun, one: MetricRun) -> float:
    if not _is_open(one):
        return math.inf
    if not one.taken:
        return run.began_at + strict.duration_seconds(one.metric.initial_delay)
    interval = one.metric.interval
    return one.taken[-1].at + (strict.duration_seconds(interval) if interval else _AGAIN_S)


def _counted(run: AnalysisRun, one: MetricRun, measurement: Measurement, now: float) -> MetricRun:
    taken = measurements.judge(one.metric, measurement, run.args, now)
    counts = {**one.counts, taken.said: one.count(taken.said) + 1}
    return replace(
        one,
        counts=counts,
        consecutive_errors=_errors_in_a_row(one, taken.said),
        taken=(*one.taken, taken)[-_KEPT:],
        memo=_memo(one, measurement, taken.said),
    )


def _errors_in_a_row(one: MetricRun, said: Said) -> int:
    match said:
        case Said.ERROR:
            return one.consecutive_errors + 1
        case Said.SUCCESS | Said.FAILURE | Said.INCONCLUSIVE | Said.NOT_ENOUGH:
            return 0


def _memo(one: MetricRun, measurement: Measurement, said: Said) -> Mapping[str, Json]:
    """Counting goes on from where it was until a measurement was judged: so a quiet service's
    samples add up until there are enough."""
    match measurement:
        case Trouble():
            return one.memo
        case NotEnough():
            return measurement.memo or one.memo
        case Found():
            judged = said in {Said.SUCCESS, Said.FAILURE, Said.INCONCLUSIVE}
            return measurement.memo if judged else one.memo
