"""Runs acceptance templates on a candidate over HTTP, before it gets any traffic."""

from dataclasses import dataclass

from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.kinds.trials import Latency
from reconciler.core.scoring import judging
from reconciler.trials import running, timing, wire
from reconciler.trials.subject import Subject, Target
from registry.core.canonical import Json

_TIMED = Latency.model_validate({"p95Milliseconds": 1, "requests": 40, "warmUp": 0})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one template found; `reasons` is empty when it passed."""

    reasons: tuple[str, ...]
    metrics: dict[str, Json]


def run(spec: AcceptanceSpec, data: golden.Golden, subject: Subject, *, template: str) -> Evidence:
    """Ask the candidate everything; the serving version too, where it is compared with it.

    Raises `errors.Unavailable` when an instance does not answer: that is no verdict.
    """
    with running.watched(spec, subject) as seen:
        evidence = _metrics(spec, data, subject)
        findings = running.found(spec, subject, data, template=template)
    if spec.memory is not None:
        findings += (running.memory(spec.memory, seen),)
    reasons = [*evidence.reasons]
    metrics = {**evidence.metrics}
    for one in findings:
        reasons += [f"{one.check}: {reason}" for reason in one.reasons]
        metrics[one.check] = one.metrics
    return Evidence(tuple(reasons), metrics)


def _metrics(spec: AcceptanceSpec, data: golden.Golden, subject: Subject) -> Evidence:
    mine = wire.answers(subject.candidate, data, output=spec.output)
    theirs = None
    if subject.serving is not None and judging.compares(spec):
        theirs = wire.answers(subject.serving, data, output=spec.output)
    found = judging.judged(spec, data, mine, theirs)
    if spec.metrics.latency is not None:
        p95_ms = _p95_ms(subject.candidate, data)
        found.metrics["p95Milliseconds"] = round(p95_ms, 3)
        budget = spec.metrics.latency.p95_milliseconds
        if p95_ms > budget:
            said = f"p95 latency {p95_ms:.1f} ms is over the budget of {budget:g} ms"
            found.reasons.append(said)
    return Evidence(tuple(found.reasons), found.metrics)


def _p95_ms(target: Target, data: golden.Golden) -> float:
    return timing.measured(target, data.instances, _TIMED).milliseconds(95)
