"""The report of a run: a document for programs, a page for people. Pure.

The page is a model card too: it says what the version was made of, and what that cost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.core import canonical
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.core.recipes import results, shares
from registry.core.recipes.kinds import OptimisationRecipe
from registry.core.recipes.results import Failure, Measured, Result

_COLUMNS = (
    "", "accuracy", "same answers", "latency p50", "p95", "latency", "size", "memory", "not 0",
    "watermark",
)  # fmt: skip
_HEAD = f"| {' | '.join(_COLUMNS)} |"
# What the numbers of a version stand beside those before; the others are comparisons already.
_BESIDE = {"accuracy", "latencyP50Milliseconds", "sizeBytes", "peakMemoryBytes", "watermarkZ"}
_RULE = f"|{'---|' * len(_COLUMNS)}"


@dataclass(frozen=True, slots=True)
class Run:
    """All that came of a recipe. `origin` names the model before; `inputs` are digests by what
    they are of; `made_with` the libraries by version."""

    recipe: OptimisationRecipe
    origin: str
    inputs: Mapping[str, str]
    made_with: Mapping[str, str]
    before: Measured
    results: tuple[Result, ...]
    failures: tuple[Failure, ...]

    @property
    def best(self) -> Result | None:
        """The result, if one holds."""
        return results.best(self.results, self.recipe.spec)

    @property
    def digest(self) -> str:
        """Of what the recipe says, whatever its layout is."""
        said = self.recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
        return digests.of(canonical.encode(said))


def document(run: Run) -> dict[str, Json]:
    """JSON."""
    best = run.best
    listed: list[Json] = [_result(one) for one in run.results]
    failed: list[Json] = [{"name": one.name, "reason": one.reason} for one in run.failures]
    return {
        "recipe": run.recipe.model_dump(mode="json", by_alias=True, exclude_none=True),
        "origin": run.origin,
        "inputs": dict(run.inputs),
        "madeWith": dict(run.made_with),
        "before": results.document(run.before),
        "candidates": listed,
        "failed": failed,
        "best": best.name if best else None,
    }


def page(run: Run) -> str:
    """Markdown."""
    return "\n".join([*_page(run), ""])


def _page(run: Run) -> Iterator[str]:
    best = run.best
    yield f"# {run.recipe.metadata.name}"
    yield ""
    yield f"Made of {run.origin} by the recipe `{run.recipe.metadata.name}`. {_verdict(run, best)}"
    yield ""
    yield _HEAD
    yield _RULE
    yield _row("before", run.before, run.before)
    for number, one in enumerate(run.results, start=1):
        bold, front = "**" if one is best else "", " (front)" if one.on_front else ""
        yield _row(f"{number}. {bold}{one.name}{bold}{front}", one.measured, run.before)
    yield ""
    yield (
        f"Accuracy is of {run.before.paired.samples:,} golden samples, with its 95 % interval "
        "(Wilson), and the points lost with theirs, sample by sample. Latency is of "
        f"{_batch(run)}, timed in turns with the model before on {run.recipe.spec.measure.threads} "
        "thread(s); the ratio is the median of the rounds, and that of the first row the noise. "
        "Memory is how much a process grows that loads and asks the model."
    )
    yield from _kept(run.results)
    for failure in run.failures:
        yield ""
        yield f"Not made: {failure.name}: {failure.reason}."


def _kept(found: Sequence[Result]) -> Iterator[str]:
    for one in found:
        if one.broken or one.notes:
            yield ""
            yield f"- {one.name}: {'; '.join([*one.broken, *one.notes])}"


def _verdict(run: Run, best: Result | None) -> str:
    if best is None:
        return "Nothing that was made holds what the recipe demands."
    size = run.before.size_bytes / best.measured.size_bytes
    speed = 1 / best.measured.latency.ratio
    return (
        f"Best: **{best.name}**, {size:.1f} times smaller, {speed:.2f} times as fast, "
        f"{100 * best.measured.paired.loss:+.2f} points of accuracy lost."
    )


def _row(name: str, of: Measured, before: Measured) -> str:
    interval, lost = of.interval, shares.loss(of.paired)
    loss = ""
    if of is not before:
        loss = f", lost {100 * of.paired.loss:.2f} ({100 * lost.low:.2f} to {100 * lost.high:.2f})"
    cells = (
        name,
        f"{100 * of.accuracy:.2f} % ({100 * interval.low:.2f} to {100 * interval.high:.2f}){loss}",
        f"{100 * of.agreement:.2f} %",
        f"{of.latency.p50:.3f} ms",
        f"{of.latency.p95:.3f} ms",
        f"x {of.latency.ratio:.2f}",
        f"{of.size_bytes / 1024:,.0f} KiB (x {of.size_bytes / before.size_bytes:.2f})",
        f"{of.memory_bytes / (1 << 20):.1f} MiB",
        f"{100 * of.nonzero:.1f} %",
        "not looked for" if of.mark is None else f"z {of.mark:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _batch(run: Run) -> str:
    count = run.recipe.spec.measure.batch
    return "one sample" if count == 1 else f"{count} samples"


def _result(one: Result) -> dict[str, Json]:
    broken: list[Json] = [*one.broken]
    notes: list[Json] = [*one.notes]
    return {
        "name": one.name,
        "digest": one.digest,
        "holds": not broken,
        "broken": broken,
        "notes": notes,
        "onFront": one.on_front,
        "measured": results.document(one.measured),
    }


def metrics(run: Run, best: Result) -> dict[str, float]:
    """The numbers of the result that a version carries, and those before beside them."""
    after, before = results.document(best.measured), results.document(run.before)
    found: dict[str, float] = {}
    for name, value in after.items():
        if isinstance(value, int | float):
            found[name] = value
            was = before.get(name)
            if name in _BESIDE and isinstance(was, int | float):
                found[f"{name}Before"] = was
    return found


def short(of: Measured, before: Measured) -> tuple[str, str, str, str]:
    """Accuracy, points lost, latency and size, for a line."""
    return (
        f"{100 * of.accuracy:.2f} %",
        f"{100 * of.paired.loss:.2f}",
        f"{of.latency.p50:.3f} ms (x {of.latency.ratio:.2f})",
        f"{of.size_bytes / 1024:,.0f} KiB (x {of.size_bytes / before.size_bytes:.2f})",
    )


def verdict(one: Result, best: Result | None) -> str:
    """A word or a sentence: the best, on the front, or what it breaks."""
    if one.broken:
        return "; ".join(one.broken)
    if one is best:
        return "best"
    return "front" if one.on_front else ""
