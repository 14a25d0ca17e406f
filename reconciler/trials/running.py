"""One check after the other: what each asks of a candidate, and what it found."""

import contextlib
from collections.abc import Iterator

from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.kinds.trials import (
    Check,
    Container,
    Latency,
    MemoryBudget,
    Parity,
    Robustness,
    TensorSchema,
)
from reconciler.core.trials import budgets, parity, tensorschema
from reconciler.core.trials.finding import Finding
from reconciler.trials import beside, disturbing, timing, watching
from reconciler.trials.subject import Subject
from registry.core.canonical import Json


@contextlib.contextmanager
def watched(spec: AcceptanceSpec, subject: Subject) -> Iterator[list[int]]:
    """The candidate's memory while its tests run, where it has a budget."""
    if spec.memory is None:
        yield []
        return
    with watching.watched(subject.memory) as seen:
        yield seen


def found(
    spec: AcceptanceSpec, subject: Subject, data: golden.Golden, *, template: str
) -> tuple[Finding, ...]:
    """Of all checks but that of memory, which is over when they are.

    Raises `errors.Unavailable` where somebody does not answer: that is no verdict.
    """
    checks = [check for check in spec.checks if not isinstance(check, MemoryBudget)]
    return tuple(_one(check, spec, subject, data, template) for check in checks)


def memory(budget: MemoryBudget, seen: list[int]) -> Finding:
    """What `watched` has seen, against the budget."""
    metrics: dict[str, Json] = {"looks": len(seen)}
    if seen:
        metrics |= {"peakBytes": max(seen), "firstBytes": seen[0]}
    return Finding("memory", budgets.memory(budget, seen), metrics)


def _one(
    check: Check, spec: AcceptanceSpec, subject: Subject, data: golden.Golden, template: str
) -> Finding:
    match check:
        case TensorSchema():
            return _tensors(check, subject)
        case Latency():
            return _latency(check, subject, data)
        case Parity():
            return _parity(check, spec, subject, data)
        case Robustness():
            return disturbing.disturbed(subject.candidate, data, spec, check)
        case Container():
            return beside.tried(subject, check, template)
        case MemoryBudget():
            with watching.watched(subject.memory) as seen:
                return memory(check, seen)


def _tensors(check: TensorSchema, subject: Subject) -> Finding:
    with subject.candidate.speaking() as asked:
        document = asked.metadata(subject.candidate.model, subject.candidate.version)
    serving = None
    if check.serving_version == "compatible" and subject.serving is not None:
        with subject.serving.speaking() as asked:
            described = asked.metadata(subject.serving.model, subject.serving.version)
        serving = tensorschema.signatures(described)
    compared = tensorschema.compared(check, tensorschema.signatures(document), serving=serving)
    metrics: dict[str, Json] = {"breaks": len(compared.breaks), "wider": [*compared.wider]}
    return Finding("tensorSchema", compared.breaks, metrics)


def _latency(check: Latency, subject: Subject, data: golden.Golden) -> Finding:
    """A miss is measured once more, since it costs a version its place: the better one counts."""
    timed = timing.measured(subject.candidate, data.instances, check)
    if budgets.latency(check, timed):
        again = timing.measured(subject.candidate, data.instances, check)
        timed = budgets.better(timed, again, check)
    return Finding("latency", budgets.latency(check, timed), timed.document())


def _parity(check: Parity, spec: AcceptanceSpec, subject: Subject, data: golden.Golden) -> Finding:
    other = subject.serving if check.other == "serving" else subject.other(check.other)
    if other is None:
        return Finding("parity", (), {"skipped": "nothing serves yet"})
    drawn = parity.drawn(data.instances, count=check.seeded, seed=check.seed)
    instances = [*data.instances, *drawn]
    mine, theirs = subject.candidate.answers(instances), other.answers(instances)
    compared = parity.compared(mine, theirs, check, output=spec.output)
    metrics = {**compared.document(), "other": f"{other.model}@{other.version}"}
    return Finding("parity", parity.shortfalls(check, compared), metrics)
