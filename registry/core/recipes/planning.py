"""A recipe to the candidates that will be made, each a name and steps; printed, the dry run."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from registry.core import documents, reading
from registry.core.canonical import Json
from registry.core.documents import Problem
from registry.core.facts import Relation
from registry.core.recipes.kinds import (
    Graph,
    OptimisationRecipe,
    Prune,
    Quantise,
    RecipeSpec,
    Step,
)
from registry.core.recipes.learning import Distil

_KINDS = {"OptimisationRecipe": OptimisationRecipe}


@dataclass(frozen=True, slots=True)
class Candidate:
    """What its steps, one after the other, make of the model."""

    name: str
    steps: tuple[Step, ...]

    @property
    def relations(self) -> tuple[Relation, ...]:
        """How the result comes out of the model; each once, in the order of the steps."""
        return tuple(dict.fromkeys(relation(step) for step in self.steps))


def read(path: str, data: bytes) -> OptimisationRecipe:
    """The recipe in a file; raises InvalidDesiredState with the place and the fix."""
    document = documents.read(path, data)
    if isinstance(document, Problem):
        raise document.error()
    found = reading.read(document, _KINDS)
    if isinstance(found, tuple):
        raise found[0].error()
    return found


def paths(spec: RecipeSpec) -> tuple[str, ...]:
    """The files of samples and the like that the recipe names, each once; not the model's."""
    said: Json = spec.model_dump(mode="json", exclude={"model"}, exclude_none=True)
    return tuple(dict.fromkeys(_paths(said)))


def _paths(of: Json) -> Iterator[str]:
    if isinstance(of, dict):
        for key, value in of.items():
            if key == "path" and isinstance(value, str):
                yield value
            else:
                yield from _paths(value)
    elif isinstance(of, list):
        for value in of:
            yield from _paths(value)


def plan(spec: RecipeSpec) -> tuple[Candidate, ...]:
    """All candidates, those with fewer steps first; each once."""
    choices = [[*([None] if choice.optional else []), *choice.one_of] for choice in spec.search]
    found: dict[str, Candidate] = {}
    for chosen in itertools.product(*choices):
        steps = (*spec.steps, *(step for step in chosen if step is not None))
        if steps:
            name = ", ".join(label(step) for step in steps)
            same = [one.steps for key, one in found.items() if key.split(" #")[0] == name]
            if steps not in same:
                key = f"{name} #{len(same) + 1}" if same else name
                found[key] = Candidate(key, steps)
    return tuple(sorted(found.values(), key=lambda one: len(one.steps)))


def label(step: Step) -> str:
    """A few words, the same for the same step."""
    match step.part:
        case Graph(level=level):
            return f"graph {level}"
        case Prune() as prune:
            return _pruned(prune)
        case Quantise(mode="dynamic" | "static" as mode) as asked:
            kept = ", fragile layers kept" if asked.sensitivity else ""
            return f"int8 {mode}{_of(asked)}{kept}"
        case Quantise(mode=mode) as asked:
            return f"{mode}{_of(asked)}"
        case Distil() as asked:
            return f"distilled in {asked.student.framework}, {_distance(asked)}"
        case other:
            assert_never(other)


def relation(step: Step) -> Relation:
    """What lineage calls it."""
    match step.part:
        case Graph():
            return Relation.CONVERTED
        case Prune():
            return Relation.PRUNED
        case Quantise():
            return Relation.QUANTISED
        case Distil():
            return Relation.DISTILLED
        case other:
            assert_never(other)


def document(step: Step) -> dict[str, Json]:
    """The step as it was written, with what was left out filled in; JSON."""
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)


def lines(recipe: OptimisationRecipe, candidates: tuple[Candidate, ...]) -> Iterator[str]:
    """The plan for a person."""
    source = recipe.spec.model
    named = source.path or f"{source.name}@{source.version}"
    yield f"{recipe.metadata.name}: {named}, {len(candidates)} to make and measure"
    for number, one in enumerate(candidates, start=1):
        yield f"{number}. {one.name}"
        for step in one.steps:
            yield f"   {_sentence(step)}"
    yield f"constraints: {_constraints(recipe.spec)}; of those that hold, the best {_best(recipe)}"


def _pruned(prune: Prune) -> str:
    learnt = ", learnt" if prune.learn and prune.method != "l0" else ""
    share = f"{100 * (prune.sparsity or 0):g} %"
    match prune.method:
        case "nm":
            return f"pruned {prune.n}:{prune.m}{learnt}"
        case "magnitude":
            return f"pruned {share}{learnt}"
        case "channels":
            return f"pruned {share} of channels{learnt}"
        case "l0":
            return f"L0 gates of {prune.gates}, λ {prune.penalty or 0:g}"


def _distance(asked: Distil) -> str:
    by = f"KL at {asked.temperature:g}" if asked.distance == "kl" else "features"
    return f"{by}, α {asked.alpha:g}"


def _of(asked: Quantise) -> str:
    return f" of {'+'.join(asked.operators)}" if asked.operators else ""


def _sentence(step: Step) -> str:
    """What the step does, with its settings."""
    (name, said), *_ = document(step).items()
    told = said if isinstance(said, dict) else {}
    shown = (f"{key} {_shown(value)}" for key, value in told.items() if value not in ([], None))
    return f"{name}: {', '.join(shown)}"


def _shown(value: Json) -> str:
    if isinstance(value, dict):
        return f"({', '.join(f'{key} {_shown(inner)}' for key, inner in value.items())})"
    if isinstance(value, list):
        return f"{len(value)} of them" if value and isinstance(value[0], dict) else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _constraints(spec: RecipeSpec) -> str:
    said = spec.constraints.model_dump(mode="json", by_alias=True, exclude_none=True)
    return ", ".join(f"{name} {_shown(value)}" for name, value in said.items()) or "none"


def _best(recipe: OptimisationRecipe) -> str:
    return {
        "size": "is the smallest",
        "latency": "is the fastest",
        "accuracy": "is the most right",
    }[recipe.spec.prefer]
