"""Runs a recipe: gather its files, plan its candidates, make and measure each.

A candidate that cannot be made is told and does not stop the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from registry import errors
from registry.core import strict
from registry.core.canonical import Json
from registry.core.recipes import planning, results
from registry.core.recipes.kinds import OptimisationRecipe, RecipeSpec, Step
from registry.core.recipes.planning import Candidate
from registry.core.recipes.report import Run
from registry.core.recipes.results import Failure, Latency, Measured, Result
from registry.core.recipes.shares import Paired
from registry.making.optimising import kept
from registry.making.optimising.children import Bounds
from registry.making.optimising.kept import File, Made, Work

# What is being done, how much is done, and of how much.
Progress: TypeAlias = Callable[[str, int, int], None]
# The z of the owner's watermark in a model's file, None where it cannot be told.
MarkOf: TypeAlias = Callable[[Path], float | None]


@dataclass(frozen=True, slots=True)
class Given:
    """A recipe with the files it is about. `origin` names the model for people."""

    recipe: OptimisationRecipe
    folder: Path
    model: Path
    origin: str


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it; `best` is the file of the result, if one holds."""

    run: Run
    best: Path | None


def run(given: Given, work: Path, *, progress: Progress, mark_of: MarkOf | None = None) -> Done:
    """Make and measure every candidate; raises InvalidInput or Unsupported where none can be."""
    spec = given.recipe.spec
    limits = spec.limits
    bounds = Bounds(strict.memory_bytes(limits.memory), strict.duration_seconds(limits.duration))
    bench = _Bench(spec, Work(work, bounds), _data(given), _students(given), mark_of)
    candidates = planning.plan(spec)
    told = _Told(progress, sum(len(one.steps) + 1 for one in candidates) + 2)
    told("reading the model")
    source = bench.work.do("gather", {}, {"model": File.of(given.model)}).model
    told("measuring the model before")
    before = bench.measured(source, source)
    found, failures = list[tuple[Result, Path]](), list[Failure]()
    for candidate in candidates:
        try:
            found.append(_made(bench, candidate, source, told))
        except errors.PlimsollError as error:
            failures.append(Failure(candidate.name, error.detail))
    judged = results.judged(before, [result for result, _ in found], spec)
    inputs = {"model": source.digest, **{name: one.digest for name, one in bench.data.items()}}
    outcome = Run(
        given.recipe, given.origin, inputs, kept.libraries(), before, judged, tuple(failures)
    )
    best = outcome.best
    paths = {result.name: path for result, path in found}
    return Done(outcome, paths[best.name] if best else None)


class _Told:
    """Counts what is done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, what: str) -> None:
        self._progress(what, self._done, self._total)
        self._done += 1


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where things are made and measured."""

    spec: RecipeSpec
    work: Work
    data: Mapping[str, File]
    students: Mapping[str, File]
    mark_of: MarkOf | None

    def made(self, step: Step, source: File) -> Made:
        """What one step makes of a model."""
        said: dict[str, Json] = {"step": planning.document(step), "output": self.spec.output}
        needed = {"model": source}
        for name in step.reads:
            needed[name] = self.data[name]
        if self.spec.data.training is not None and "training" in step.reads:
            said["label"] = self.spec.data.training.label
        student = step.distil.student.path if step.distil else None
        if student is not None:
            needed["student"] = self.students[student]
        return self.work.do("step", said, needed)

    def measured(self, model: File, before: File) -> Measured:
        """A model against the one before, on golden data."""
        measure = self.spec.measure
        timed = self.work.do(
            "latency",
            {"batch": measure.batch, "requests": measure.requests, "threads": measure.threads,
             "output": self.spec.output},
            {"model": model, "before": before, "golden": self.data["golden"]},
        ).answer  # fmt: skip
        first, second = self._answers(before), self._answers(model)
        was, wanted = _arrays(first)
        now, _ = _arrays(second)
        right, still = was == wanted, now == wanted
        paired = Paired(len(wanted), int(right.sum()), int(still.sum()),
                        int((right & ~still).sum()), int((still & ~right).sum()))  # fmt: skip
        return Measured(
            paired,
            agreement=float(np.mean(was == now)),
            latency=Latency(*(_number(timed, name) for name in ("p50", "p95", "ratio"))),
            size_bytes=int(_number(second.answer, "sizeBytes")),
            memory_bytes=int(_number(second.answer, "memoryBytes")),
            nonzero=_number(second.answer, "nonzero"),
            mark=self.mark_of(model.path) if self.mark_of else None,
        )

    def _answers(self, model: File) -> Made:
        golden = self.spec.data.golden
        said: dict[str, Json] = {
            "label": golden.label, "output": self.spec.output, "batch": self.spec.measure.batch,
        }  # fmt: skip
        return self.work.do("answers", said, {"model": model, "golden": self.data["golden"]})


def _made(bench: _Bench, candidate: Candidate, source: File, told: _Told) -> tuple[Result, Path]:
    model, notes = source, list[str]()
    for step in candidate.steps:
        told(f"{candidate.name}: {planning.label(step)}")
        made = bench.made(step, model)
        said = made.answer.get("notes")
        notes += [str(note) for note in said] if isinstance(said, list) else []
        model = made.model
    told(f"{candidate.name}: measuring")
    measured = bench.measured(model, source)
    return Result(candidate.name, model.digest, tuple(notes), measured), model.path


def _data(given: Given) -> dict[str, File]:
    """The files of samples, verified; raises InvalidInput or DigestMismatch."""
    data = given.recipe.spec.data
    named = {"golden": data.golden, "calibration": data.calibration, "training": data.training}
    found = {
        name: _file(given.folder, f"data.{name}", one.path, one.digest)
        for name, one in named.items()
        if one is not None
    }
    _require_apart(found)
    return found


def _students(given: Given) -> dict[str, File]:
    """The files of students by their paths, verified; raises InvalidInput or DigestMismatch."""
    spec, found = given.recipe.spec, dict[str, File]()
    for step in (*spec.steps, *(step for choice in spec.search for step in choice.one_of)):
        student = step.distil.student if step.distil else None
        if student is not None and student.path is not None:
            place = "distil.student.path"
            found[student.path] = _file(given.folder, place, student.path, student.digest)
    return found


def _file(folder: Path, place: str, path: str, digest: str | None) -> File:
    full = folder / path
    if not full.is_file():
        raise errors.InvalidInput(
            f"{place}: {full} is not there", fix="a path begins at the recipe's folder"
        )
    found = File.of(full)
    if digest is not None and found.digest != digest:
        raise errors.DigestMismatch(
            f"{place}: {full} has the digest {found.digest}, the recipe names {digest}",
            fix="bring back the file that was meant, or review it and write its digest",
        )
    return found


def _require_apart(found: Mapping[str, File]) -> None:
    golden = found["golden"].digest
    for name, one in found.items():
        if name != "golden" and one.digest == golden:
            raise errors.InvalidInput(
                f"data.{name} is the golden data: what was learnt from cannot be measured with",
                fix="split the samples",
            )


def _arrays(made: Made) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", ...]:
    with np.load(made.folder / "answers.npz", allow_pickle=False) as found:
        return found["found"], found["wanted"]


def _number(said: Mapping[str, Json], name: str) -> float:
    value = said[name]
    if not isinstance(value, int | float):
        raise errors.InvalidInput(f"a measurement's {name} is {value!r}")
    return float(value)
