"""Stable's and candidate's answers to the same requests: which belong together, how they differ.

Pure. Answers belong together where their requests had the same inputs, by digest; else where
they had the same id, if that id was given once. A summary that lacks what is to be compared
cannot be, and says so.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from registry.core import fields
from registry.core.canonical import Json

Answer: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Tally:
    """Of `pairs`, so many agree and have the highest score in the same place; `differences` of
    numbers add up to `total`, and the highest is `most`. Of `unknown` pairs nothing can be said;
    `unmeasured` ones differ by no number: in form, or by what is not finite."""

    pairs: int = 0
    agreeing: int = 0
    same_top: int = 0
    differences: int = 0
    total: float = 0.0
    most: float = 0.0
    unknown: int = 0
    unmeasured: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.pairs + other.pairs,
            self.agreeing + other.agreeing,
            self.same_top + other.same_top,
            self.differences + other.differences,
            self.total + other.total,
            max(self.most, other.most),
            self.unknown + other.unknown,
            self.unmeasured + other.unmeasured,
        )


def pairs(candidate: Sequence[Answer], stable: Sequence[Answer]) -> Iterator[tuple[Answer, Answer]]:
    """Each of the candidate's answers with stable's to the same request, where there is one."""
    by_inputs = {str(one["inputs"]): one for one in stable if one.get("inputs")}
    ids = [one.get("id") for one in [*stable, *candidate]]
    by_id = {str(one["id"]): one for one in stable if one.get("id") and ids.count(one["id"]) == 2}
    for one in candidate:
        inputs = one.get("inputs")
        found = by_inputs.get(str(inputs)) if inputs else by_id.get(str(one.get("id")))
        if found is not None and (inputs or not found.get("inputs")):
            yield one, found


def compared(one: Answer, other: Answer, *, output: str | None, tolerance: float) -> Tally:
    """One pair; an output that one of them lacks is a disagreement."""
    mine, theirs = _outputs(one, output), _outputs(other, output)
    if not mine or mine.keys() != theirs.keys():
        return Tally(pairs=1, unknown=int(not mine and not theirs), unmeasured=1)
    found = [_tensors(mine[name], theirs[name], tolerance) for name in mine]
    return Tally(
        pairs=1,
        agreeing=int(all(each.agreeing for each in found)),
        same_top=int(all(each.same_top for each in found)),
        differences=sum(each.differences for each in found),
        total=sum(each.total for each in found),
        most=max(each.most for each in found),
        unknown=int(any(each.unknown for each in found)),
        unmeasured=int(any(each.unmeasured for each in found)),
    )


def _outputs(answer: Answer, wanted: str | None) -> dict[str, Mapping[str, Json]]:
    outputs = answer.get("outputs")
    if not isinstance(outputs, dict):
        return {}
    return {
        name: value
        for name, value in outputs.items()
        if isinstance(value, dict) and wanted in {None, name}
    }


def _tensors(one: Mapping[str, Json], other: Mapping[str, Json], tolerance: float) -> Tally:
    if one.get("shape") != other.get("shape"):
        return Tally(unmeasured=1)
    mine, theirs = _values(one), _values(other)
    if mine is None or theirs is None:
        digests = one.get("sha256"), other.get("sha256")
        equal = int(digests[0] == digests[1] and None not in digests)
        return Tally(
            agreeing=equal,
            same_top=equal,
            unknown=int(None in digests),
            unmeasured=1 - equal,
        )
    if len(mine) != len(theirs):
        return Tally(unmeasured=1)
    gaps = [_gap(a, b) for a, b in zip(mine, theirs, strict=True)]
    finite = [gap for gap in gaps if math.isfinite(gap)]
    return Tally(
        agreeing=int(all(gap <= tolerance for gap in gaps)),
        same_top=int(_tops(mine, one) == _tops(theirs, other)),
        differences=len(finite),
        total=sum(finite),
        most=max(finite, default=0.0),
        unmeasured=int(len(finite) != len(gaps)),
    )


def _values(tensor: Mapping[str, Json]) -> list[float | None] | None:
    """None stands for a number that is not finite."""
    values = tensor.get("values")
    if not isinstance(values, list):
        return None
    return [fields.finite(one) for one in values]


def _gap(one: float | None, other: float | None) -> float:
    """Two numbers that are not finite are taken for the same."""
    if one is None or other is None:
        return 0.0 if one is other else math.inf
    return abs(one - other)


def _tops(values: list[float | None], tensor: Mapping[str, Json]) -> list[int]:
    """The place of the highest in each row."""
    shape = tensor.get("shape")
    width = shape[-1] if isinstance(shape, list) and shape else 1
    if not isinstance(width, int) or width < 1:
        return []
    rows = [values[start : start + width] for start in range(0, len(values), width)]
    return [max(range(len(row)), key=lambda at: _or_least(row[at])) for row in rows]


def _or_least(value: float | None) -> float:
    return -math.inf if value is None else value
