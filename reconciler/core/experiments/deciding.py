"""What an experiment has come to by now. Pure.

A wrong ratio of users goes first, since with it nothing else means anything; then what may not get
worse; then which variant is better; then the horizon.
"""

import math

from reconciler.core.experiments import evidence, ratio
from reconciler.core.experiments.run import Decision, Run, Verdict, design
from reconciler.core.kinds.experiment import Guardrail, Observed

# A looser one would stop sound experiments too often, since all of them are tested for it.
MISMATCH_ALPHA = 0.001
_MOST_TROUBLES = 20


def decision(run: Run, now: float) -> Decision | None:
    """None while it should go on."""
    found = _mismatch(run) or _guardrails(run) or _winner(run) or _trouble(run)
    found = found or _horizon(run, now)
    return None if found is None else Decision(found[0], found[1], now)


def interval(run: Run, metric: Observed) -> tuple[float, float] | None:
    """The differences, the treatment's mean less the control's, that nothing speaks against."""
    found = evidence.interval(design(run.spec, metric), run.of(metric))
    width = _width(metric)
    return None if found is None else (found[0] * width, found[1] * width)


def means(run: Run, metric: Observed) -> tuple[float | None, float | None]:
    """The control's, and the treatment's."""
    seen, low = run.of(metric), 0.0 if metric.bounds is None else metric.bounds[0]
    pair = seen.control.mean, seen.treatment.mean
    control, treatment = (None if one is None else low + one * _width(metric) for one in pair)
    return control, treatment


def counts(run: Run, metric: Observed) -> tuple[int, int]:
    """How many were observed: the control's, and the treatment's."""
    seen, effect = run.of(metric), metric.source.design_effect
    return round(seen.control.count * effect), round(seen.treatment.count * effect)


def standing(run: Run, metric: Observed) -> str:
    """How a metric stands, in words."""
    control, treatment = means(run, metric)
    found = interval(run, metric)
    if control is None or treatment is None or found is None:
        return f"{metric.name}: too few observations yet"
    sure = 100 * (1 - design(run.spec, metric).alpha)
    return (
        f"{metric.name}: {run.spec.treatment.name} {treatment:.4g}, {run.spec.control.name} "
        f"{control:.4g}; the difference is between {found[0]:.3g} and {found[1]:.3g} "
        f"with {sure:.4g} % confidence"
    )


def _mismatch(run: Run) -> tuple[Verdict, str] | None:
    seen, part = run.of(run.spec.metric), run.spec.treatment.weight / 100
    control, treatment = seen.control.count, seen.treatment.count
    if ratio.against(control, treatment, part) < -math.log(MISMATCH_ALPHA):
        return None
    theirs, ours = counts(run, run.spec.metric)
    return Verdict.MISMATCH, (
        f"{run.spec.treatment.name} was observed {ours} times and {run.spec.control.name} {theirs} "
        f"times, where {run.spec.treatment.weight} % of all were meant for the first: something "
        "loses users of one variant, so no difference between them can be trusted"
    )


def _guardrails(run: Run) -> tuple[Verdict, str] | None:
    for guard in run.spec.guardrails:
        found = interval(run, guard)
        if found is not None and _harm(guard, found) > guard.worse_by:
            text = f"worse by more than {guard.worse_by:g}; {standing(run, guard)}"
            return Verdict.GUARDRAIL, text
    return None


def _harm(guard: Guardrail, found: tuple[float, float]) -> float:
    """By how much it got worse at least."""
    return found[0] if guard.better == "lower" else -found[1]


def _winner(run: Run) -> tuple[Verdict, str] | None:
    metric = run.spec.metric
    found = interval(run, metric)
    if found is None:
        return None
    low, high = found
    if low > 0 or high < 0:
        is_treatment = (low > 0) == (metric.better == "higher")
        winner = run.spec.treatment if is_treatment else run.spec.control
        verdict = Verdict.TREATMENT if is_treatment else Verdict.CONTROL
        return verdict, f"{winner.name} is better; {standing(run, metric)}"
    if -metric.smallest_effect < low and high < metric.smallest_effect:
        text = f"no difference that matters; {standing(run, metric)}"
        return Verdict.NO_DIFFERENCE, text
    return None


def _trouble(run: Run) -> tuple[Verdict, str] | None:
    if run.troubles < _MOST_TROUBLES:
        return None
    return Verdict.STOPPED, f"could not be measured {run.troubles} times in a row: {run.trouble}"


def _horizon(run: Run, now: float) -> tuple[Verdict, str] | None:
    samples = sum(counts(run, run.spec.metric))
    if samples < run.spec.horizon.samples and now < run.ends_at:
        return None
    ended = f"{samples} observations" if now < run.ends_at else run.spec.horizon.time
    text = f"no winner after {ended}; {standing(run, run.spec.metric)}"
    return Verdict.NO_DIFFERENCE, text


def _width(metric: Observed) -> float:
    return 1.0 if metric.bounds is None else metric.bounds[1] - metric.bounds[0]
