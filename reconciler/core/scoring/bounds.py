"""Whether the bounds of a template hold for the answers of a candidate, and by how much. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from reconciler.core.kinds.measures import Bound, Bounds, Higher, Lower
from reconciler.core.scoring import choosing, measure
from reconciler.core.scoring.answers import Answers, Floats
from reconciler.core.scoring.choosing import Metric
from reconciler.core.scoring.measure import Interval, Measure
from registry.core.canonical import Json

_USUAL = 0.95
# 1 - 0.98 is more than 0.02 to a computer.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Case:
    """The answers of the candidate and of who serves, if they are compared; `weights` are 1 for
    the samples that count and 0 for others; `where` is how reasons begin."""

    mine: Answers
    theirs: Answers | None
    weights: Floats
    where: str = ""

    @property
    def samples(self) -> int:
        """How many count."""
        return int(self.weights.sum())


@dataclass(frozen=True, slots=True)
class Judged:
    """`reasons` against the candidate; `metrics` for the evidence."""

    reasons: list[str] = field(default_factory=list)
    metrics: dict[str, Json] = field(default_factory=dict)


def judged(bounds: Bounds, case: Case) -> Judged:
    """Every bound, as a sentence where it does not hold."""
    found = Judged()
    for name, bound in bounds.asked:
        metric = choosing.of(name, bound)
        mine = choosing.prepared(metric, case.mine)
        value = mine(case.weights)
        if math.isnan(value):
            why = choosing.lacking(metric, case.mine)
            found.reasons.append(f"{case.where}{name} cannot be measured: {why}")
            continue
        one = _One(case, metric, bound, mine, value, _interval(metric, bound, mine, case))
        found.metrics.update(one.document())
        found.reasons.extend(f"{case.where}{reason}" for reason in one.absolute())
        if case.theirs is not None and _allowed(bound) is not None:
            compared = _compared(one, case.theirs)
            found.metrics.update(compared.metrics)
            found.reasons.extend(f"{case.where}{reason}" for reason in compared.reasons)
    return found


@dataclass(frozen=True, slots=True)
class _One:
    """One metric of the candidate with its bound."""

    case: Case
    metric: Metric
    bound: Bound
    measure: Measure
    value: float
    interval: Interval | None

    def absolute(self) -> Iterator[str]:
        """Why it is too bad by itself."""
        name = self.metric.name
        if self.bound.confidence is not None and self.interval is None:
            yield f"{name} has no interval: too many resamples of the samples lack a class"
            return
        match self.bound:
            case Higher(min=least) if least is not None:
                end = self.interval.low if self.is_strict and self.interval else self.value
                if end < least - ROUNDING:
                    yield f"{self._said('lower', end)} is below the minimum {least:g}"
            case Lower(max=most) if most is not None:
                end = self.interval.high if self.is_strict and self.interval else self.value
                if end > most + ROUNDING:
                    yield f"{self._said('upper', end)} is above the maximum {most:g}"

    @property
    def is_strict(self) -> bool:
        """Whether the end of the interval must hold."""
        return self.bound.confidence is not None

    def document(self) -> dict[str, Json]:
        """For the evidence."""
        found: dict[str, Json] = {self.metric.name: round(self.value, 6)}
        if self.interval is not None:
            ends: list[Json] = [round(self.interval.low, 6), round(self.interval.high, 6)]
            found[f"{self.metric.name}Interval"] = ends
        return found

    def _said(self, which: str, end: float) -> str:
        said = f"{self.metric.name} {self.value:.3f} ({self._note()})"
        if not self.is_strict:
            return said
        return f"{said}: the interval's {which} end {end:.3f}"

    def _note(self) -> str:
        samples = self.case.samples
        of = f"{samples} samples"
        if self.metric.name == "accuracy":
            of = f"{round(self.value * samples)} of {samples} right"
        if self.interval is None:
            return of
        low, high = self.interval.low, self.interval.high
        return f"{of}, {self.interval.confidence * 100:g} % interval {low:.3f} to {high:.3f}"


def _interval(metric: Metric, bound: Bound, mine: Measure, case: Case) -> Interval | None:
    """A share has one for nothing, others where a bound asks for it."""
    if metric.name == "accuracy":
        value = mine(case.weights)
        return measure.wilson(value, case.samples, bound.confidence or _USUAL)
    if bound.confidence is None:
        return None
    return measure.bootstrap(mine, case.weights, bound.confidence)


def _allowed(bound: Bound) -> float | None:
    return bound.max_drop if isinstance(bound, Higher) else bound.max_rise


def _compared(one: _One, answers: Answers) -> Judged:
    """With the serving version's answers to the very same samples."""
    name, allowed = one.metric.name, _allowed(one.bound)
    theirs = choosing.prepared(one.metric, answers)
    value = theirs(one.case.weights)
    key = f"serving{name[0].upper()}{name[1:]}"
    if math.isnan(value) or allowed is None:
        return Judged(metrics={key: None})
    found = Judged(metrics={key: round(value, 6)})
    sign, way = (1, "below") if isinstance(one.bound, Higher) else (-1, "above")

    def worse(weights: Floats) -> float:
        return sign * (theirs(weights) - one.measure(weights))

    change, how = worse(one.case.weights), "is"
    if one.bound.confidence is not None:
        interval = measure.bootstrap(worse, one.case.weights, one.bound.confidence)
        change = math.inf if interval is None else interval.high
        how = f"may, at {one.bound.confidence * 100:g} % confidence, be"
    if change > allowed + ROUNDING:
        found.reasons.append(
            f"{name} {one.value:.3f} {how} {change:.3f} {way} the serving version's "
            f"{value:.3f}, at most {allowed:g} is allowed"
        )
    return found
