"""What was measured of each candidate, which of them hold, which are on the front, which is best.

Pure. Everything is against the model before, and latency against it in the same process.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.core import strict
from registry.core.canonical import Json
from registry.core.recipes import shares
from registry.core.recipes.kinds import Constraints, RecipeSpec
from registry.core.recipes.shares import Paired

ROUNDING = 1e-9
_STEP = 1.05


@dataclass(frozen=True, slots=True)
class Latency:
    """Of one request, in milliseconds; `ratio` is the median over the rounds of this model's
    median time by that of the model before."""

    p50: float
    p95: float
    ratio: float


@dataclass(frozen=True, slots=True)
class Measured:
    """`agreement` is the share of answers that are the same as before; `memory_bytes` how much a
    process grows at most that loads and asks it; `nonzero` the share of weights that are not 0;
    `mark` the z of the watermark, None where nobody could look."""

    paired: Paired
    agreement: float
    latency: Latency
    size_bytes: int
    memory_bytes: int
    nonzero: float
    mark: float | None = None

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.paired.right_after / self.paired.samples

    @property
    def interval(self) -> shares.Interval:
        """Where the accuracy lies, at 95 %."""
        return shares.wilson(self.paired.right_after, self.paired.samples)


@dataclass(frozen=True, slots=True)
class Result:
    """A candidate that was made: its file's digest, what its steps tell, and its numbers."""

    name: str
    digest: str
    notes: tuple[str, ...]
    measured: Measured
    broken: tuple[str, ...] = ()
    on_front: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A candidate that could not be made, and why."""

    name: str
    reason: str


def judged(before: Measured, found: Sequence[Result], spec: RecipeSpec) -> tuple[Result, ...]:
    """Each with what it breaks of the constraints, and whether it is on the front.

    The front is Pareto's over accuracy, latency and size, of those that break nothing; where all
    break something, of all.
    """
    known = [(one, tuple(_broken(before, one.measured, spec.constraints))) for one in found]
    held = [one for one, broken in known if not broken] or list(found)
    # Two ways to the very same file are one place on the front.
    held = list({one.digest: one for one in reversed(held)}.values())
    return tuple(
        Result(one.name, one.digest, one.notes, one.measured, broken,
               one in held and not any(_beats(other.measured, one.measured) for other in held))
        for one, broken in known
    )  # fmt: skip


def best(judged_results: Sequence[Result], spec: RecipeSpec) -> Result | None:
    """The one that is preferred of those that break nothing; None where there is none."""
    held = [one for one in judged_results if not one.broken]
    match spec.prefer:
        case "size":
            return min(held, key=lambda one: one.measured.size_bytes, default=None)
        case "latency":
            return min(held, key=lambda one: one.measured.latency.ratio, default=None)
        case "accuracy":
            return max(held, key=lambda one: one.measured.accuracy, default=None)


def _beats(one: Measured, other: Measured) -> bool:
    """As good in everything, and better in something."""
    mine, theirs = _costs(one), _costs(other)
    return all(a <= b for a, b in zip(mine, theirs, strict=True)) and mine != theirs


def _costs(of: Measured) -> tuple[float, float, float]:
    """Latency in steps of a twentieth: less than that is noise, and makes nobody better."""
    return -of.accuracy, round(math.log(of.latency.ratio, _STEP)), float(of.size_bytes)


def _broken(before: Measured, after: Measured, asked: Constraints) -> Iterator[str]:
    """A sentence for each constraint that does not hold."""
    yield from _lost(after.paired, asked)
    latency, ratio = after.latency, after.size_bytes / before.size_bytes
    limits = (
        (asked.max_latency_ratio, latency.ratio, "latency is {:.3g} of that before"),
        (asked.max_latency_milliseconds, latency.p95, "latency is {:.3g} ms at p95"),
        (asked.max_size_ratio, ratio, "size is {:.3g} of that before"),
    )
    for limit, value, sentence in limits:
        if limit is not None and value > limit + ROUNDING:
            yield f"{sentence.format(value)}, at most {limit:g} is allowed"
    most = asked.max_size and strict.memory_bytes(asked.max_size)
    if most and after.size_bytes > most:
        yield f"size is {after.size_bytes} bytes, at most {asked.max_size} are allowed"


def _lost(paired: Paired, asked: Constraints) -> Iterator[str]:
    most = asked.max_accuracy_loss
    if most is None:
        return
    lost, how = paired.loss, "is"
    if asked.confidence is not None:
        lost = shares.loss(paired, asked.confidence).high
        how = f"may, at {100 * asked.confidence:g} % confidence, be"
    if lost > most + ROUNDING:
        yield (
            f"the accuracy lost {how} {100 * lost:.2f} points on {paired.samples} samples, at most "
            f"{100 * most:g} are allowed"
        )


def document(of: Measured) -> dict[str, Json]:
    """The numbers, for programs."""
    interval, lost = of.interval, shares.loss(of.paired)
    return {
        "samples": of.paired.samples,
        "accuracy": round(of.accuracy, 6),
        "accuracyInterval": [round(interval.low, 6), round(interval.high, 6)],
        "accuracyLoss": round(of.paired.loss, 6),
        "accuracyLossInterval": [round(lost.low, 6), round(lost.high, 6)],
        "agreement": round(of.agreement, 6),
        "latencyP50Milliseconds": round(of.latency.p50, 5),
        "latencyP95Milliseconds": round(of.latency.p95, 5),
        "latencyRatio": round(of.latency.ratio, 4),
        "sizeBytes": of.size_bytes,
        "peakMemoryBytes": of.memory_bytes,
        "nonzeroWeights": round(of.nonzero, 6),
        **({} if of.mark is None else {"watermarkZ": round(of.mark, 3)}),
    }
