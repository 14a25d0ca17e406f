"""What one version's runtime has counted, and what came since an earlier look. Pure.

Counters only grow; where one is lower than before, the process has begun anew, and all that it
counts came since.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.core import fields
from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers, those with status 500 and more, those with 400 to 499; and how many took at most
    so many seconds: `buckets` are cumulative, by their upper bound, the last one +Inf."""

    requests: float = 0.0
    errors: float = 0.0
    rejections: float = 0.0
    buckets: Mapping[float, float] = field(default_factory=dict)

    def __add__(self, other: "Counts") -> "Counts":
        """Both together, as of two hosts with the same bounds."""
        bounds = self.buckets.keys() | other.buckets.keys()
        return Counts(
            self.requests + other.requests,
            self.errors + other.errors,
            self.rejections + other.rejections,
            {b: self.buckets.get(b, 0.0) + other.buckets.get(b, 0.0) for b in bounds},
        )

    def document(self) -> dict[str, Json]:
        """What `read` reads."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "rejections": self.rejections,
            "buckets": {repr(bound): count for bound, count in self.buckets.items()},
        }


def read(source: Json) -> Counts | None:
    """What `Counts.document` wrote; None for anything else, with which counting begins anew."""
    if not isinstance(source, dict):
        return None
    buckets = source.get("buckets")
    told = [fields.finite(source.get(name)) for name in ("requests", "errors", "rejections")]
    numbers = [one for one in told if one is not None]
    if not isinstance(buckets, dict) or len(numbers) != len(told):
        return None
    bounds = dict[float, float]()
    for bound, count in buckets.items():
        known = fields.finite(count)
        try:
            bounds[float(bound)] = known if known is not None else math.nan
        except ValueError:
            return None
    if any(math.isnan(one) for pair in bounds.items() for one in pair):
        return None
    return Counts(numbers[0], numbers[1], numbers[2], bounds)


def _has_begun_anew(now: Counts, before: Counts) -> bool:
    pairs = [
        (now.requests, before.requests),
        (now.errors, before.errors),
        (now.rejections, before.rejections),
        *((now.buckets.get(bound, 0.0), count) for bound, count in before.buckets.items()),
    ]
    return any(later < earlier for later, earlier in pairs)


def since(now: Counts, before: Counts) -> Counts:
    """What was counted between two looks."""
    if _has_begun_anew(now, before):
        return now
    return Counts(
        now.requests - before.requests,
        now.errors - before.errors,
        now.rejections - before.rejections,
        {bound: count - before.buckets.get(bound, 0.0) for bound, count in now.buckets.items()},
    )


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """The value that `share` of all stay below, as Prometheus's histogram_quantile finds it:
    evenly spread within a bucket; beyond the last bound, that bound. None where there is none.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total > 0:
        return None
    rank, below, lower = share * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank and buckets[bound] > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        below, lower = buckets[bound], bound
    return lower
