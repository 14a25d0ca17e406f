"""How long a candidate takes and how much memory it holds, against their budgets. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.kinds.trials import Latency, MemoryBudget
from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Timing:
    """`seconds` of every request that was answered, in `wall_s` by `clients` at once."""

    seconds: tuple[float, ...]
    wall_s: float
    clients: int

    def milliseconds(self, percent: int) -> float:
        """What `percent` of 100 requests stay within: the nearest rank, so one that was seen."""
        ordered = sorted(self.seconds)
        rank = math.ceil(percent * len(ordered) / 100)
        return ordered[max(rank, 1) - 1] * 1000 if ordered else math.inf

    @property
    def per_second(self) -> float:
        """How many were answered in a second."""
        return len(self.seconds) / self.wall_s if self.wall_s > 0 else 0.0

    def document(self) -> dict[str, Json]:
        """For the evidence."""
        found: dict[str, Json] = {
            f"p{percent}Milliseconds": round(self.milliseconds(percent), 3)
            for percent in (50, 95, 99)
            if self.seconds
        }
        return found | {
            "requestsPerSecond": round(self.per_second, 1),
            "clients": self.clients,
            "timedRequests": len(self.seconds),
        }


def latency(budget: Latency, timing: Timing) -> tuple[str, ...]:
    """What is over `budget`."""
    if len(timing.seconds) < budget.requests:
        few = f"{len(timing.seconds)} of {budget.requests} requests were answered"
        return (f"{few} in {timing.wall_s:.0f} s, which is too slow to measure percentiles",)
    bounds = {
        50: budget.p50_milliseconds,
        95: budget.p95_milliseconds,
        99: budget.p99_milliseconds,
    }
    found = [
        f"p{percent} latency {timing.milliseconds(percent):.1f} ms is over the budget of "
        f"{bound:g} ms{_crowd(timing)}"
        for percent, bound in bounds.items()
        if bound is not None and timing.milliseconds(percent) > bound
    ]
    least = budget.requests_per_second
    if least is not None and timing.per_second < least:
        found.append(
            f"{timing.per_second:.1f} requests a second{_crowd(timing)} are below the "
            f"minimum of {least:g}"
        )
    return tuple(found)


def better(one: Timing, other: Timing, budget: Latency) -> Timing:
    """The one with fewer misses: the second measurement of a host that was busy at the first."""
    return one if len(latency(budget, one)) <= len(latency(budget, other)) else other


def memory(budget: MemoryBudget, seen: Sequence[int]) -> tuple[str, ...]:
    """What is over `budget`; `seen` are bytes, one for each look."""
    if not seen:
        return ("no look at the candidate's memory succeeded, so its peak is not known",)
    peak = max(seen)
    if peak <= budget.peak_bytes:
        return ()
    over = peak - budget.peak_bytes
    return (
        f"memory peaked at {_mebibytes(peak)}, {_mebibytes(over)} over the budget of {budget.peak}",
    )


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


def _crowd(timing: Timing) -> str:
    return f" with {timing.clients} clients" if timing.clients > 1 else ""
