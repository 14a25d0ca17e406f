"""What the instances count themselves, read through the preview door from their /metrics.

The counters of all hosts are added up; a host that comes later is counted from then on.
"""

from collections.abc import Iterator

from reconciler.core import counting, sequential
from reconciler.core.counting import Counts
from reconciler.core.kinds.analysis import Metric
from reconciler.core.kinds.providers import RuntimeNumbers, Sequential
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from reconciler.measuring import pages
from reconciler.measuring.context import Context, Site, Variant
from registry.core.canonical import Json

_VARIANTS = ("candidate", "stable")


def measure(asked: RuntimeNumbers, metric: Metric, context: Context) -> Measurement:
    """Raises `Unavailable`."""
    came, memo, begun = look(context)
    if "candidate" not in came:
        return NotEnough("counting begins", 0, memo)
    values = {name: _value(asked, counts) for name, counts in came.items()}
    judged = [name for name in came if name == "candidate" or metric.names_stable]
    samples = int(min(came[name].requests for name in judged))
    silent = [name for name in judged if values[name] is None]
    if silent:
        text = f"no request to {' and '.join(silent)} since the last measurement"
        return NotEnough(text, samples, begun)
    known: dict[str, Json] = {name: value for name, value in values.items() if value is not None}
    return Found(known["candidate"], samples, known, memo)


def test(asked: Sequential, context: Context) -> Measurement:
    """The sequential test. Raises `Unavailable`."""
    if not any(site.stable for site in context.sites):
        return Trouble("there is no stable instance to compare with")
    came, memo, _ = look(context)
    if came.keys() != set(_VARIANTS):
        return NotEnough("counting begins", 0, {"seen": context.memo.get("seen"), **memo})
    seen = sequential.after(
        sequential.read(context.memo.get("seen")),
        _arm(asked, came["candidate"]),
        _arm(asked, came["stable"]),
    )
    whole: dict[str, Json] = {**memo, "seen": seen.document()}
    samples = min(seen.candidate.requests, seen.stable.requests)
    if samples == 0:
        return NotEnough("no requests to both yet", 0, whole)
    rates: dict[str, Json] = {
        "candidate": seen.candidate.errors / seen.candidate.requests,
        "stable": seen.stable.errors / seen.stable.requests,
    }
    return Found(seen.p_value, samples, rates, whole)


def _arm(asked: Sequential, came: Counts) -> sequential.Arm:
    match asked.measure:
        case "errorRate":
            return sequential.Arm(round(came.errors), round(came.requests))
        case "rejectionRate":
            return sequential.Arm(round(came.rejections), round(came.requests))


def look(context: Context) -> tuple[dict[str, Counts], dict[str, Json], dict[str, Json]]:
    """What came since the last look; the memo that goes on from here, and the one that goes on
    from there, with the hosts that are new."""
    came, now, begun = dict[str, Counts](), dict[str, Json](), dict[str, Json]()
    for site in context.sites:
        counts = {name: _counts(one, context.model) for name, one in site.variants()}
        now[site.host] = _told(site, counts)
        before = _before(site, context.memo)
        begun[site.host] = context.memo[site.host] if before else now[site.host]
        for name, earlier in before.items():
            came[name] = came.get(name, Counts()) + counting.since(counts[name], earlier)
    return came, now, begun


def _told(site: Site, counts: dict[str, Counts]) -> dict[str, Json]:
    return {
        name: {"instance": one.instance, **counts[name].document()} for name, one in site.variants()
    }


def _before(site: Site, memo: "dict[str, Json] | object") -> dict[str, Counts]:
    """By instance: what another one counted is no beginning. Both variants, or none."""
    kept = memo.get(site.host) if isinstance(memo, dict) else None
    found = dict(_earlier(site, kept)) if isinstance(kept, dict) else {}
    return found if len(found) == len(list(site.variants())) else {}


def _earlier(site: Site, kept: dict[str, Json]) -> Iterator[tuple[str, Counts]]:
    for name, one in site.variants():
        told = kept.get(name)
        counts = counting.read(told)
        if isinstance(told, dict) and told.get("instance") == one.instance and counts is not None:
            yield name, counts


def _value(asked: RuntimeNumbers, came: Counts) -> float | None:
    """None where there were no requests to say anything about."""
    if asked.measure == "requests":
        return came.requests
    if not came.requests:
        return None
    match asked.measure:
        case "errorRate":
            return came.errors / came.requests
        case "rejectionRate":
            return came.rejections / came.requests
        case "latencySeconds":
            return counting.quantile(came.buckets, asked.quantile or 0.5)


def _counts(variant: Variant, model: str) -> Counts:
    return pages.counts(pages.page(variant), model, variant.version)
