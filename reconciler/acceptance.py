"""Runs acceptance templates on a candidate over HTTP, before it gets any traffic."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reconciler import probe
from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.engines.protocol import Endpoint
from registry.core.canonical import Json

_BATCH = 64
_TIMED_REQUESTS = 40
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Target:
    """A version to be asked, through `preview`."""

    model: str
    version: int
    preview: Endpoint


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one template found; `reasons` is empty when it passed."""

    reasons: tuple[str, ...]
    metrics: dict[str, Json]


def run(
    spec: AcceptanceSpec,
    data: golden.Golden,
    *,
    candidate: Target,
    serving: Target | None,
) -> Evidence:
    """Ask the candidate everything; the serving version too, where a drop is bounded.

    Raises `errors.Unavailable` when an instance does not answer: that is no verdict.
    """
    with probe.Probe(candidate.preview, timeout_s=_TIMEOUT_S) as asked:
        found = _score(asked, candidate, data, spec)
        p95_ms = _p95_ms(asked, candidate, data) if spec.metrics.latency else None
    against = None
    if serving is not None and spec.metrics.accuracy.max_drop is not None:
        with probe.Probe(serving.preview, timeout_s=_TIMEOUT_S) as asked:
            against = _score(asked, serving, data, spec)
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


def _score(
    asked: probe.Probe, target: Target, data: golden.Golden, spec: AcceptanceSpec
) -> golden.Score:
    predictions = [
        prediction
        for batch in _batches(data.instances)
        for prediction in asked.predict(target.model, target.version, batch)
    ]
    return golden.score(predictions, data, spec)


def _p95_ms(asked: probe.Probe, target: Target, data: golden.Golden) -> float:
    times = []
    for instance in data.instances[:_TIMED_REQUESTS]:
        start = time.perf_counter()
        asked.predict(target.model, target.version, [instance])
        times.append(time.perf_counter() - start)
    return sorted(times)[int(0.95 * (len(times) - 1))] * 1000 if times else 0.0


def _batches(instances: Sequence[Json]) -> Iterator[Sequence[Json]]:
    for start in range(0, len(instances), _BATCH):
        yield instances[start : start + _BATCH]
