"""What came of both variants of an experiment since the last look, from the source it names."""

from collections.abc import Mapping
from dataclasses import replace

from reconciler.core.counting import Counts
from reconciler.core.experiments.totals import Increment, Total
from reconciler.core.kinds.experiment import Counted, ExperimentSpec, Labelled, Observed, Totals
from reconciler.core.kinds.providers import Http, Prometheus
from reconciler.core.measurements import Found, Measurement, Trouble
from reconciler.measuring import checks, labels, numbers, prometheus
from reconciler.measuring.context import Context
from registry import errors
from registry.core import fields
from registry.core.canonical import Json

_NOTHING = Total(0.0, 0.0, 0.0)


def look(metric: Observed, spec: ExperimentSpec, context: Context) -> Increment | Trouble:
    """The first look finds nothing: it is where counting begins."""
    try:
        match metric.source.one:
            case Counted() as asked:
                return _counted(asked, context)
            case Labelled() as asked:
                return _labelled(asked, spec, context)
            case Totals() as asked:
                return _since(_queried(asked, spec, context), context.memo)
            case Http() as asked:
                return _since(_answered(asked, spec, context), context.memo)
    except errors.PlimsollError as error:
        return Trouble(error.detail)


def _counted(asked: Counted, context: Context) -> Increment:
    came, memo, _ = numbers.look(context)
    control, treatment = came.get("stable", Counts()), came.get("candidate", Counts())
    return Increment(_total(asked, control), _total(asked, treatment), memo)


def _labelled(asked: Labelled, spec: ExperimentSpec, context: Context) -> Increment:
    looked = labels.look(asked, spec.interval, context)
    if "candidate" not in looked.came:
        return Increment(_NOTHING, _NOTHING, looked.memo)
    control, treatment = (_of_labels(asked, looked.came[name]) for name in ("stable", "candidate"))
    return Increment(control, treatment, looked.memo)


def _of_labels(asked: Labelled, came: tuple[float, ...]) -> Total:
    labelled, right, absolute, squared = came
    match asked.metric:
        case "accuracy":
            return Total(labelled, right, right)
        case "errorRate":
            return Total(labelled, labelled - right, labelled - right)
        case "meanAbsoluteError":
            return Total(labelled, absolute, squared)


def _total(asked: Counted, came: Counts) -> Total:
    match asked.measure:
        case "errorRate":
            hits = came.errors
        case "rejectionRate":
            hits = came.rejections
        case "slowRate":
            hits = _slower(came.buckets, asked.over_seconds or 0.0)
    count = came.requests
    if asked.measure == "slowRate":  # both from the histogram: they are counted at other moments
        count = max(came.buckets.values(), default=0.0)
    return Total(count, hits, hits)


def _slower(buckets: Mapping[float, float], seconds: float) -> float:
    """Than the first bound that is no smaller."""
    bounds = [bound for bound in sorted(buckets) if bound >= seconds]
    return max(buckets.values()) - buckets[bounds[0]] if bounds else 0.0


def _queried(asked: Totals, spec: ExperimentSpec, context: Context) -> dict[str, Total]:
    found = {}
    for role, variant in (("control", spec.control), ("treatment", spec.treatment)):
        args = {**context.args, "variant": variant.name, "version": str(variant.version)}
        of_variant = replace(context, args=args)
        count, total = (_one(asked, query, of_variant) for query in (asked.count, asked.sum))
        squares = None if asked.squares is None else _one(asked, asked.squares, of_variant)
        found[role] = Total(count, total, squares)
    return found


def _one(asked: Totals, query: str, context: Context) -> float:
    """No series is nothing yet."""
    measured = prometheus.measure(Prometheus(address=asked.address, query=query), context)
    return _number(measured, query) if isinstance(measured, Found) else 0.0


def _number(measured: Measurement, query: str) -> float:
    result = measured.result if isinstance(measured, Found) else None
    values = result if isinstance(result, list) else [result]
    found = fields.finite(values[0]) if len(values) == 1 else None
    if found is None:
        raise errors.InvalidInput(f"{query[:200]} finds {len(values)} series, and not one number")
    return found


def _answered(asked: Http, spec: ExperimentSpec, context: Context) -> dict[str, Total]:
    measured = checks.measure(asked, context)
    document = measured.result if isinstance(measured, Found) else None
    if not isinstance(document, dict):
        raise errors.InvalidInput("the answer has no totals by variant")
    return {
        role: _of_variant(document.get(name), name)
        for role, name in (("control", spec.control.name), ("treatment", spec.treatment.name))
    }


def _of_variant(source: Json, name: str) -> Total:
    known = source if isinstance(source, dict) else {}
    count, total = fields.finite(known.get("count")), fields.finite(known.get("sum"))
    if count is None or total is None:
        raise errors.InvalidInput(f"the answer has no count and sum of {name}")
    return Total(count, total, fields.finite(known.get("squares")))


def _since(now: Mapping[str, Total], memo: Mapping[str, Json]) -> Increment:
    before = {role: _kept(memo.get(role)) for role in ("control", "treatment")}
    told: dict[str, Json] = {role: [one.count, one.sum, one.squares] for role, one in now.items()}
    control, treatment = before["control"], before["treatment"]
    if control is None or treatment is None:
        return Increment(_NOTHING, _NOTHING, told)
    return Increment(now["control"].since(control), now["treatment"].since(treatment), told)


def _kept(source: Json) -> Total | None:
    match source:
        case [int() | float() as count, int() | float() as total, squares]:
            return Total(count, total, fields.finite(squares))
        case _:
            return None
