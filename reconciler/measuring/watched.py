"""What instances count once they are asked to, as rows of numbers that only grow.

The numbers of all hosts are added up from look to look; a host that comes later is counted from
then on, and an instance that began anew from its start.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from reconciler.core.kinds.analysis import Metric
from reconciler.measuring.context import Context, Site, Variant
from registry import errors
from registry.core import fields, strict
from registry.core.canonical import Json

# An instance counts for so long after it was last asked, or for two intervals.
_LEAST_S, _MOST_S = 600, 7 * 86_400


@dataclass(frozen=True, slots=True)
class Count:
    """`since` names what is counted from; `problem` is why nothing may be there."""

    since: str
    numbers: tuple[float, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """What `came` since the last look, by variant; `memo` goes on from here, and `begun` from
    where the last one did, with the hosts that are new."""

    came: Mapping[str, tuple[float, ...]]
    memo: Mapping[str, Json] = field(default_factory=dict)
    begun: Mapping[str, Json] = field(default_factory=dict)


def look(context: Context, ask: Callable[[Variant], Count]) -> Looked:
    """Raises `Unavailable`, also where nothing came for a reason that an instance gives."""
    came = dict[str, tuple[float, ...]]()
    memo, begun, problems = dict[str, Json](), dict[str, Json](), list[str]()
    for site in context.sites:
        counts = {name: ask(one) for name, one in site.variants()}
        problems += [f"{site.host}: {one.problem}" for one in counts.values() if one.problem]
        memo[site.host] = _told(site, counts)
        before = _before(site, context.memo.get(site.host))
        begun[site.host] = memo[site.host] if before is None else context.memo[site.host]
        for name, earlier in (before or {}).items():
            more = _since(counts[name], earlier)
            came[name] = _added(came[name], more) if name in came else more
    if problems and came and not any(map(sum, came.values())):
        raise errors.Unavailable(problems[0])
    return Looked(came, memo, begun)


def seconds(metric: Metric) -> int:
    """For how long an instance is asked to go on counting."""
    return lease(metric.interval or "0s")


def lease(interval: str) -> int:
    """The same for somebody who asks again after `interval`."""
    return min(max(_LEAST_S, 2 * strict.duration_seconds(interval)), _MOST_S)


def judged(metric: Metric, looked: Looked) -> list[str]:
    """The variants whose samples count: the candidate, and stable where a condition names it."""
    return [name for name in looked.came if name == "candidate" or metric.names_stable]


def _told(site: Site, counts: Mapping[str, Count]) -> Json:
    return {
        name: {
            "instance": one.instance,
            "since": counts[name].since,
            "numbers": [*counts[name].numbers],
        }
        for name, one in site.variants()
    }


def _before(site: Site, kept: Json) -> dict[str, Count] | None:
    """By instance: what another one counted is no beginning. Both variants, or none."""
    if not isinstance(kept, dict):
        return None
    found = dict[str, Count]()
    for name, one in site.variants():
        told = kept.get(name)
        if not isinstance(told, dict) or told.get("instance") != one.instance:
            return None
        given = told.get("numbers")
        numbers = [fields.finite(each) for each in given] if isinstance(given, list) else [None]
        known = tuple(each for each in numbers if each is not None)
        if len(known) != len(numbers):
            return None
        found[name] = Count(str(told.get("since")), known)
    return found


def _since(now: Count, earlier: Count) -> tuple[float, ...]:
    if now.since != earlier.since or len(now.numbers) != len(earlier.numbers):
        return now.numbers
    pairs = zip(now.numbers, earlier.numbers, strict=True)
    return tuple(max(0.0, one - other) for one, other in pairs)


def _added(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    if len(one) != len(other):
        raise errors.Unavailable("two instances count in different bins")
    return tuple(a + b for a, b in zip(one, other, strict=True))
