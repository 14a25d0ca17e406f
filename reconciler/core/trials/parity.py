"""Whether two versions answer alike: within a tolerance, and with the same class. Pure.

The other one is the reference: a number agrees within `absolute + relative * |reference|`, as
numpy's `isclose` has it. Two that are not finite agree if they are the same.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from reconciler.core.kinds.trials import Parity
from registry.core.canonical import Json
from registry.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Compared:
    """Of `samples`, so many have a number beyond the tolerance, another form or another class.

    `most` is the largest difference of two numbers, `form` what is said of the first answer that
    is built otherwise.
    """

    samples: int = 0
    different: int = 0
    class_changes: int = 0
    most: float = 0.0
    form: str = ""

    def document(self) -> dict[str, Json]:
        """For the evidence."""
        return {
            "samples": self.samples,
            "different": self.different,
            "classChanges": self.class_changes,
            "largestDifference": self.most if math.isfinite(self.most) else "not finite",
        }


@dataclass
class _Pair:
    """What two answers to one sample differ in."""

    most: float = 0.0
    is_beyond: bool = False
    form: str = ""
    mine: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)


def compared(
    answers: Sequence[Json], reference: Sequence[Json], spec: Parity, *, output: str | None
) -> Compared:
    """Answer by answer; `output` is the one whose highest score is the class."""
    if len(answers) != len(reference):
        raise InvalidInput(f"{len(answers)} answers are there, and {len(reference)} to compare")
    pairs = list(zip(answers, reference, strict=True))
    found = [_pair(mine, theirs, spec) for mine, theirs in pairs]
    return Compared(
        samples=len(found),
        different=sum(one.is_beyond for one in found),
        class_changes=sum(_class(mine, output) != _class(theirs, output) for mine, theirs in pairs),
        most=max((one.most for one in found), default=0.0),
        form=next((one.form for one in found if one.form), ""),
    )


def shortfalls(spec: Parity, found: Compared) -> tuple[str, ...]:
    """What of `spec` does not hold."""
    if not found.samples:
        return ("there was no sample to compare the answers of",)
    other = "the serving version" if spec.other == "serving" else spec.other
    if found.form:
        return (f"answers are built otherwise than those of {other}: {found.form}",)
    reasons = []
    if found.different > spec.max_different * found.samples:
        reasons.append(
            f"{found.different} of {found.samples} answers differ from {other} by more than "
            f"{spec.absolute:g} + {spec.relative:g} x value, {_share(spec.max_different)} may; the "
            f"largest difference is {found.most:.3g}"
        )
    if found.class_changes > spec.max_class_changes * found.samples:
        reasons.append(
            f"{found.class_changes} of {found.samples} samples have another class than with "
            f"{other}, {_share(spec.max_class_changes)} may"
        )
    return tuple(reasons)


def drawn(instances: Sequence[Json], *, count: int, seed: int) -> list[Json]:
    """`count` samples built as `instances` are, each number between the lowest and the highest
    that stands in its place in them; whole numbers where all are whole."""
    if not instances:
        return []
    draw = np.random.default_rng(seed)
    return [_drawn([*instances], draw) for _ in range(count)]


def _drawn(column: list[Json], draw: np.random.Generator) -> Json:
    first = column[0]
    if isinstance(first, dict):
        same = [one for one in column if isinstance(one, dict)]
        return {name: _drawn([one[name] for one in same], draw) for name in first}
    if isinstance(first, list):
        lists = [one for one in column if isinstance(one, list) and len(one) == len(first)]
        return [_drawn([one[place] for one in lists], draw) for place in range(len(first))]
    numbers = [one for one in column if isinstance(one, int | float)]
    if isinstance(first, str | bool) or not numbers:
        return column[int(draw.integers(len(column)))]
    if all(isinstance(one, int) for one in numbers):
        return int(draw.integers(int(min(numbers)), int(max(numbers)), endpoint=True))
    return float(draw.uniform(min(numbers), max(numbers)))


def _pair(mine: Json, theirs: Json, spec: Parity) -> _Pair:
    found = _Pair()
    for at, one, other in _leaves(mine, theirs, ""):
        if _is_number(one) and _is_number(other):
            gap = _gap(float(str(one)), float(str(other)))
            found.most = max(found.most, gap)
            found.is_beyond |= gap > spec.absolute + spec.relative * _size(float(str(other)))
        elif type(one) is not type(other) or one != other:
            found.is_beyond = True
            if type(one) is not type(other) or isinstance(one, dict | list):
                found.form = (
                    found.form or f"{at or 'the answer'} is {_form(one)}, not {_form(other)}"
                )
    return found


def _leaves(mine: Json, theirs: Json, at: str) -> Iterator[tuple[str, Json, Json]]:
    """Pairs of plain values; where the two are built otherwise, the parts that are."""
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        for name in mine:
            yield from _leaves(mine[name], theirs[name], f"{at}.{name}".lstrip("."))
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for place, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            yield from _leaves(one, other, f"{at}[{place}]")
    else:
        yield at, mine, theirs


def _class(answer: Json, output: str | None) -> Json:
    """The highest score's place, or a plain answer itself; a single number has no class."""
    if isinstance(answer, dict):
        if output is None and len(answer) == 1:
            output = next(iter(answer))
        answer = answer.get(output) if output is not None else None
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if isinstance(answer, list):
        scores = [float(one) if isinstance(one, int | float) else math.nan for one in answer]
        if not scores or any(math.isnan(one) for one in scores):
            return None
        return max(range(len(scores)), key=scores.__getitem__)
    return answer if isinstance(answer, int | str) else None


def _is_number(value: Json) -> bool:
    """The runtime writes what JSON has no number for as a word."""
    is_word = isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}
    return is_word or (isinstance(value, int | float) and not isinstance(value, bool))


def _gap(one: float, other: float) -> float:
    if math.isfinite(one) and math.isfinite(other):
        return abs(one - other)
    is_same = one == other or (math.isnan(one) and math.isnan(other))
    return 0.0 if is_same else math.inf


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 0.0


def _form(value: Json) -> str:
    match value:
        case dict():
            return f"{{{', '.join(sorted(value)[:4])}}}"
        case list():
            return f"a list of {len(value)}"
        case str():
            return "text"
        case bool() | None:
            return str(value).lower()
        case _:
            return "a number"


def _share(share: float) -> str:
    return f"{share:.1%}" if share else "none"
