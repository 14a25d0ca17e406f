"""One measurement of an analysis, and what it says under the metric's conditions. Pure.

What is not finite, has no form or cannot be judged is an error with its own words, never a
success and never a failure of the candidate.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from reconciler.core.kinds.analysis import CONDITION_NAMES, Metric
from registry.core import canonical
from registry.core.canonical import Json
from registry.core.policy import conditions
from registry.errors import InvalidInput

_LONGEST_VALUE = 2000
_LONGEST_TEXT = 500
_LARGEST_RESULT = 131_072


class Said(StrEnum):
    """What one measurement says; `NOT_ENOUGH` is counted nowhere."""

    SUCCESS = "Successful"
    FAILURE = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"
    NOT_ENOUGH = "NotEnough"


@dataclass(frozen=True, slots=True)
class Found:
    """A value: a number, a list of numbers, or an object. `samples` is how many observations it
    stands on, where that is known. `values` are other names that the conditions may use.

    `memo` is what the provider wants back at the next measurement, once this one was counted.
    """

    result: Json
    samples: int | None = None
    values: Mapping[str, Json] = field(default_factory=dict)
    memo: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotEnough:
    """There is nothing to judge yet; `memo`, where it is not empty, is wanted back next time."""

    reason: str
    samples: int | None = None
    memo: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trouble:
    """It could not be measured."""

    reason: str


Measurement: TypeAlias = Found | NotEnough | Trouble


@dataclass(frozen=True, slots=True)
class Taken:
    """A measurement as it is kept for evidence."""

    at: float
    said: Said
    value: Json = None
    samples: int | None = None
    text: str = ""


def judge(metric: Metric, measurement: Measurement, args: Mapping[str, str], now: float) -> Taken:
    """What `measurement` says under the conditions of `metric`."""
    match measurement:
        case Trouble():
            return Taken(now, Said.ERROR, text=measurement.reason[:_LONGEST_TEXT])
        case NotEnough():
            text = measurement.reason[:_LONGEST_TEXT]
            return Taken(now, Said.NOT_ENOUGH, samples=measurement.samples, text=text)
        case Found():
            return _judge_value(metric, measurement, args, now)


def _judge_value(metric: Metric, found: Found, args: Mapping[str, str], now: float) -> Taken:
    wanted, samples = metric.minimum_samples, found.samples
    flaw = _flaw([found.result, *found.values.values()])
    if wanted is not None and (samples is None or samples < wanted):
        text = f"{samples or 0} samples, at least {wanted} are wanted"
        return Taken(now, Said.NOT_ENOUGH, samples=samples, text=text)
    if flaw is not None:
        return Taken(now, Said.ERROR, samples=samples, text=flaw)
    values: dict[str, Json] = {**found.values, "result": found.result, "args": {**args}}
    if samples is not None:
        values["samples"] = samples
    said, why = _ask(metric, values)
    shown = canonical.encode(found.result).decode()
    text = f"result {shown[:200]}{': ' + why if why else ''}"
    kept = found.result if len(shown) <= _LONGEST_VALUE else f"{shown[:200]}…"
    return Taken(now, said, value=kept, samples=samples, text=text[:_LONGEST_TEXT])


def _ask(metric: Metric, values: Mapping[str, Json]) -> tuple[Said, str]:
    """Failure comes before success; where only one is asked, its contrary is the other."""
    failure = _holds(metric.failure_condition, values)
    success = _holds(metric.success_condition, values)
    for source, found in (
        (metric.failure_condition, failure),
        (metric.success_condition, success),
    ):
        if isinstance(found, conditions.Broken):
            return Said.ERROR, f"{source}: {found.text}"
    if failure is True:
        return Said.FAILURE, f"{metric.failure_condition} is true"
    if success is True or (success is None):
        return Said.SUCCESS, ""
    if failure is None:
        return Said.FAILURE, f"{metric.success_condition} is not true"
    return Said.INCONCLUSIVE, "neither the success nor the failure condition is true"


def _holds(source: str | None, values: Mapping[str, Json]) -> bool | conditions.Broken | None:
    if source is None:
        return None
    condition = conditions.compiled(source, CONDITION_NAMES)
    if isinstance(condition, conditions.Broken):
        return condition
    return conditions.holds(condition, values)


def _flaw(values: Sequence[Json]) -> str | None:
    """Why a value cannot be judged. CEL takes a text for ended at its first NUL."""
    try:
        whole = canonical.encode(list(values)).decode()
    except InvalidInput:
        return "a number in the result is not finite"
    if any("\0" in text for value in values for text in _texts(value)):
        return "a text in the result holds a NUL character"
    if len(whole) > _LARGEST_RESULT:
        return f"the result has {len(whole)} bytes, at most {_LARGEST_RESULT} are judged"
    return None


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _texts(item)
        case dict():
            yield from value
            for item in value.values():
                yield from _texts(item)
        case _:
            return
