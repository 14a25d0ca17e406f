"""The report of a run: a document for programs, a page for people. Pure.

The page is a model card too: it says what the version was made of, and what that cost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry import errors
from registry.core import canonical, fields
from registry.core import digest as digests
from registry.core.canonical import Json
from registry.core.recipes import results, shares
from registry.core.recipes.kinds import OptimisationRecipe
from registry.core.recipes.results import Failure, Measured, Result

_COLUMNS = (
    "", "accuracy", "same answers", "latency p50", "p95", "latency", "size", "memory", "not 0",
    "watermark",
)  # fmt: skip
_WHAT = "report of the recipe"
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
        return digest(self.recipe)


def digest(recipe: OptimisationRecipe) -> str:
    """Of what the recipe says, whatever its layout is."""
    said = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
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


def metrics(of: dict[str, Json]) -> dict[str, float]:
    """The numbers of the best of a report that a version carries, and those before beside them."""
    after, before = _measured(_named(of, of.get("best"))), _measured_before(of)
    found: dict[str, float] = {}
    for name, value in after.items():
        if isinstance(value, int | float):
            found[name] = value
            was = before.get(name)
            if name in _BESIDE and isinstance(was, int | float):
                found[f"{name}Before"] = was
    return found


def lines(of: dict[str, Json]) -> list[tuple[str, ...]]:
    """A report as rows: name, accuracy, points lost, latency, size, and a word or a sentence."""
    before = _measured_before(of)
    found: list[tuple[str, ...]] = [("before", *_short(before, before), "")]
    for one in fields.objects(of, "candidates", what=_WHAT):
        name = fields.text(one, "name", what=_WHAT)
        found.append((name, *_short(_measured(one), before), _word(one, of.get("best"))))
    return found


def _short(of: dict[str, Json], before: dict[str, Json]) -> tuple[str, str, str, str]:
    size = _number(of, "sizeBytes")
    latency, ratio = _number(of, "latencyP50Milliseconds"), _number(of, "latencyRatio")
    return (
        f"{100 * _number(of, 'accuracy'):.2f} %",
        f"{100 * _number(of, 'accuracyLoss'):.2f}",
        f"{latency:.3f} ms (x {ratio:.2f})",
        f"{size / 1024:,.0f} KiB (x {size / _number(before, 'sizeBytes'):.2f})",
    )


def _word(one: dict[str, Json], best: Json) -> str:
    """The best, on the front, or what it breaks."""
    broken = fields.sequence(one, "broken", what=_WHAT)
    if broken:
        return "; ".join(map(str, broken))
    if one.get("name") == best:
        return "best"
    return "front" if one.get("onFront") else ""


def _named(of: dict[str, Json], name: Json) -> dict[str, Json]:
    for one in fields.objects(of, "candidates", what=_WHAT):
        if one.get("name") == name:
            return one
    raise errors.InvalidInput(f"the {_WHAT} has no candidate {name!r}")


def _measured_before(of: dict[str, Json]) -> dict[str, Json]:
    return fields.mapping(of, "before", what=_WHAT)


def _measured(one: dict[str, Json]) -> dict[str, Json]:
    return fields.mapping(one, "measured", what=_WHAT)


def _number(of: dict[str, Json], name: str) -> float:
    found = of.get(name)
    if not isinstance(found, int | float):
        raise errors.InvalidInput(f"the {_WHAT} has no number {name!r}")
    return float(found)
