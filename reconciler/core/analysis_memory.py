"""The JSON form of an analysis on its way, for the rollout's memory and for evidence."""

from collections.abc import Mapping
from dataclasses import asdict

from reconciler.core.analysis import AnalysisRun, MetricRun, Phase, phase
from reconciler.core.kinds.analysis import Metric
from reconciler.core.measurements import Said, Taken
from registry.core import fields, reading
from registry.core.canonical import Json
from registry.errors import InvalidInput

_WHAT = "analysis run"


def document(run: AnalysisRun) -> dict[str, Json]:
    """What `read` reads."""
    return {
        "args": {**run.args},
        "beganAt": run.began_at,
        "reason": run.reason,
        "metrics": [_metric_document(one) for one in run.metrics],
    }


def evidence(run: AnalysisRun, *, measurements: int = 3) -> dict[str, Json]:
    """How it stands and the last `measurements` of each metric: for the log and for people."""
    judged = phase(run)
    metrics: dict[str, Json] = {
        one.metric.name: {
            "template": one.template,
            "counts": {said.value: count for said, count in one.counts.items()},
            "last": [_taken_document(taken) for taken in one.taken[-measurements:]],
        }
        for one in run.metrics
    }
    return {"phase": judged.phase.value, "reason": judged.reason, "metrics": metrics}


def read(source: Mapping[str, Json]) -> AnalysisRun:
    """Raises `InvalidInput`."""
    whole = dict(source)
    args = fields.mapping(whole, "args", what=_WHAT)
    return AnalysisRun(
        metrics=tuple(_metric_run(item) for item in fields.objects(whole, "metrics", what=_WHAT)),
        args={name: str(value) for name, value in args.items()},
        began_at=_number(whole.get("beganAt")),
        reason=fields.text(whole, "reason", what=_WHAT),
    )


def _metric_document(one: MetricRun) -> dict[str, Json]:
    return {
        "metric": one.metric.model_dump(mode="json", by_alias=True, exclude_none=True),
        "template": one.template,
        "counts": {said.value: count for said, count in one.counts.items()},
        "consecutiveErrors": one.consecutive_errors,
        "taken": [_taken_document(taken) for taken in one.taken],
        "memo": {**one.memo},
        "ended": None if one.ended is None else one.ended.value,
    }


def _taken_document(taken: Taken) -> dict[str, Json]:
    found: dict[str, Json] = asdict(taken)
    return {name: value for name, value in found.items() if value not in (None, "")}


def _metric_run(source: dict[str, Json]) -> MetricRun:
    counts = fields.mapping(source, "counts", what=_WHAT)
    ended = source.get("ended")
    return MetricRun(
        metric=reading.part(fields.mapping(source, "metric", what=_WHAT), Metric, what=_WHAT),
        template=fields.text(source, "template", what=_WHAT),
        counts={_said(name): fields.integer(counts, name, what=_WHAT) for name in counts},
        consecutive_errors=fields.integer(source, "consecutiveErrors", what=_WHAT),
        taken=tuple(_taken(item) for item in fields.objects(source, "taken", what=_WHAT)),
        memo=fields.mapping(source, "memo", what=_WHAT),
        ended=None if ended is None else _phase(str(ended)),
    )


def _taken(source: dict[str, Json]) -> Taken:
    samples = source.get("samples")
    return Taken(
        at=_number(source.get("at")),
        said=_said(fields.text(source, "said", what=_WHAT)),
        value=source.get("value"),
        samples=None if samples is None else fields.integer(source, "samples", what=_WHAT),
        text=str(source.get("text", "")),
    )


def _said(text: str) -> Said:
    try:
        return Said(text)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: a measurement cannot say {text[:40]!r}") from error


def _phase(text: str) -> Phase:
    try:
        return Phase(text)
    except ValueError as error:
        raise InvalidInput(f"{_WHAT}: phase {text[:40]!r} does not exist") from error


def _number(value: Json) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"{_WHAT}: expected a number, found {type(value).__name__}")
    return float(value)
