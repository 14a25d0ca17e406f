"""How far inputs or answers are from a reference, by histograms that the instances keep."""

from reconciler.core import drifting
from reconciler.core.kinds.analysis import Metric
from reconciler.core.kinds.online import Drift
from reconciler.core.measurements import Found, Measurement, NotEnough
from reconciler.measuring import pages, watched
from reconciler.measuring.context import Context, Variant
from reconciler.measuring.watched import Count
from registry import errors
from registry.core import fields
from registry.core.canonical import Json


def measure(asked: Drift, metric: Metric, context: Context) -> Measurement:
    """Raises `Unavailable`."""
    looked = watched.look(context, lambda variant: _counted(asked, metric, context, variant))
    if "candidate" not in looked.came:
        return NotEnough("counting begins", 0, looked.memo)
    samples = int(min(sum(looked.came[name]) for name in watched.judged(metric, looked)))
    if not samples or samples < (metric.minimum_samples or 1):
        text = f"{samples} values since the last measurement"
        return NotEnough(text, samples, looked.begun)
    far, result = dict[str, Json](), 0.0
    for name, counts in looked.came.items():
        if sum(counts):
            far[name], found = _compared(asked, counts)
            result = found if name == "candidate" else result
    return Found(round(result, 9), samples, far, looked.memo)


def _compared(asked: Drift, seen: tuple[float, ...]) -> tuple[float, float]:
    """How far it is, and the result: the same number, or a p-value. In the reference nothing is
    in the last bin, of what has no other."""
    reference = [*map(float, asked.reference.bins), 0.0]
    match asked.test:
        case "psi":
            index = drifting.psi(seen, reference)
            return round(index, 6), index
        case "ks":
            distance, p_value = drifting.ks(seen, reference)
        case "chi2":
            distance, p_value = drifting.chi2(seen, reference)
    return round(distance, 6), p_value


def _counted(asked: Drift, metric: Metric, context: Context, variant: Variant) -> Count:
    side = "input" if asked.feature is not None else "output"
    wanted = asked.reference
    body: dict[str, Json] = {
        "model": context.model,
        "version": variant.version,
        "seconds": watched.seconds(metric),
        "side": side,
        "tensor": asked.feature or asked.prediction,
        "column": asked.column,
    }
    if wanted.edges is not None:
        body["edges"] = [*wanted.edges]
    else:
        body["categories"] = [*(wanted.categories or {})]
    found = pages.posted(variant, "/plimsoll/histograms", body)
    given = found.get("counts")
    counts = [fields.finite(one) for one in given] if isinstance(given, list) else []
    known = tuple(one for one in counts if one is not None and one >= 0)
    if len(known) != len(counts) or len(known) != len(wanted.bins) + 1:
        raise errors.Unavailable(f"{variant.instance} answers with counts of other bins")
    return Count(str(found.get("since")), known, str(found.get("problem") or ""))
