"""Compares what candidate and stable answered of late to the same requests, on each host."""

from dataclasses import asdict

from reconciler.core import comparing
from reconciler.core.comparing import Answer, Tally
from reconciler.core.kinds.analysis import Metric
from reconciler.core.kinds.providers import Comparison
from reconciler.core.measurements import Found, Measurement, NotEnough, Trouble
from reconciler.measuring import pages
from reconciler.measuring.context import Context, Site
from registry.core import fields
from registry.core.canonical import Json


def measure(asked: Comparison, metric: Metric, context: Context) -> Measurement:
    """Raises `Unavailable`."""
    if not any(site.stable for site in context.sites):
        return Trouble("there is no stable instance to compare with")
    tally, seen = _tally(context.memo.get("tally")), dict[str, Json]()
    for site in context.sites:
        more, newest = _compared(asked, context, site)
        tally += more
        seen[site.host] = newest
    going_on: dict[str, Json] = {"seen": seen, "tally": asdict(tally)}
    if tally.pairs < (metric.minimum_samples or 1):
        text = f"{tally.pairs} pairs of answers to the same request"
        return NotEnough(text, tally.pairs, going_on)
    if tally.unknown:
        return Trouble(
            f"{tally.unknown} of {tally.pairs} pairs cannot be compared: an output has more than "
            "2 KiB, or the one that is named is not there"
        )
    if tally.unmeasured and asked.measure in {"meanDifference", "maxDifference"}:
        return Trouble(
            f"{tally.unmeasured} of {tally.pairs} pairs differ by no number: their shapes differ, "
            "or a number is not finite"
        )
    values: dict[str, Json] = {
        "agreement": tally.agreeing / tally.pairs,
        "sameTop": tally.same_top / tally.pairs,
        "meanDifference": tally.total / tally.differences if tally.differences else 0.0,
        "maxDifference": tally.most,
    }
    return Found(values[asked.measure], tally.pairs, memo={"seen": seen})


def _compared(asked: Comparison, context: Context, site: Site) -> tuple[Tally, int]:
    """The pairs that are new, and the number of the candidate's newest answer."""
    if site.stable is None:
        return Tally(), 0
    answers = pages.answers(site.candidate, context.model)
    newest = max((_number(one) for one in answers), default=0)
    seen = context.memo.get("seen")
    before = seen.get(site.host, 0) if isinstance(seen, dict) else 0
    known = before if isinstance(before, int) and before <= newest else 0
    fresh = [one for one in answers if _number(one) > known]
    stable = pages.answers(site.stable, context.model)
    found = Tally()
    for one, other in comparing.pairs(fresh, stable):
        found += comparing.compared(one, other, output=asked.output, tolerance=asked.tolerance)
    return found, newest


def _number(answer: Answer) -> int:
    found = answer.get("number")
    return found if isinstance(found, int) else 0


def _tally(source: Json) -> Tally:
    """What an earlier look left; nothing of another form."""
    if not isinstance(source, dict):
        return Tally()
    told = {name: fields.finite(source.get(name)) for name in asdict(Tally())}
    known = {name: value for name, value in told.items() if value is not None}
    if len(known) != len(told):
        return Tally()
    return Tally(
        pairs=int(known["pairs"]),
        agreeing=int(known["agreeing"]),
        same_top=int(known["same_top"]),
        differences=int(known["differences"]),
        total=known["total"],
        most=known["most"],
        unknown=int(known["unknown"]),
        unmeasured=int(known["unmeasured"]),
    )
