"""Runs acceptance templates on a candidate over HTTP, before it gets any traffic."""

from dataclasses import dataclass

from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.kinds.trials import Latency
from reconciler.trials import running, timing
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
    found = _score(subject.candidate, data, spec)
    p95_ms = _p95_ms(subject.candidate, data) if spec.metrics.latency else None
    against = None
    if subject.serving is not None and spec.metrics.accuracy.max_drop is not None:
        against = _score(subject.serving, data, spec)
    low, high = found.interval
    metrics: dict[str, Json] = {
        "accuracy": round(found.accuracy, 6),
        "accuracyInterval": [round(low, 6), round(high, 6)],
        "samples": found.samples,
        "dataset": spec.dataset.digest,
    }
    if p95_ms is not None:
        metrics["p95Milliseconds"] = round(p95_ms, 3)
    if against is not None:
        metrics["servingAccuracy"] = round(against.accuracy, 6)
    reasons = golden.shortfalls(spec, found, against=against, p95_ms=p95_ms)
    return Evidence(reasons, metrics)


def _score(target: Target, data: golden.Golden, spec: AcceptanceSpec) -> golden.Score:
    return golden.score(target.answers([*data.instances]), data, spec)


def _p95_ms(target: Target, data: golden.Golden) -> float:
    return timing.measured(target, data.instances, _TIMED).milliseconds(95)
