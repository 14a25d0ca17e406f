"""Samples as rows of numbers between 0 and 1, and back again as `:predict` takes them. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reconciler.core.kinds.trials import Robustness
from registry.core.canonical import Json
from registry.errors import InvalidInput

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Samples:
    """`rows[i]` is the input `name` of `instances[i]`, flat, where its range is [0, 1].

    `is_whole` says that the input has whole numbers only, so that what changes them is rounded.
    """

    instances: tuple[Json, ...]
    rows: Array
    name: str | None
    lowest: float
    highest: float
    is_whole: bool

    def changed(self, rows: Array, places: Sequence[int]) -> list[Json]:
        """The samples at `places` with `rows` as their input."""
        values = self.lowest + rows * (self.highest - self.lowest)
        values = np.rint(values) if self.is_whole else values
        return [
            self._with(self.instances[place], row)
            for place, row in zip(places, values, strict=True)
        ]

    def _with(self, instance: Json, row: npt.NDArray[Any]) -> Json:
        flat = iter([int(one) for one in row] if self.is_whole else row.tolist())
        if isinstance(instance, dict) and self.name is not None:
            return {**instance, self.name: _filled(instance[self.name], flat)}
        return _filled(instance, flat)


def samples(instances: Sequence[Json], spec: Robustness) -> Samples:
    """Raises `InvalidInput` where the input is not made of numbers within the range."""
    lowest, highest = spec.range
    name = spec.input
    flat = []
    for instance in instances:
        part = instance
        if isinstance(instance, dict):
            name = name or _only(instance)
            part = instance.get(name)
        flat.append(list(_numbers(part, name)))
    if len({len(one) for one in flat}) != 1 or not flat[0]:
        raise InvalidInput("the samples are not all of one size")
    values = np.array(flat, dtype=np.float64)
    if values.min() < lowest or values.max() > highest:
        raise InvalidInput(
            f"the golden data has values from {values.min():g} to {values.max():g}",
            fix=f"write a robustness.range that holds them; it is [{lowest:g}, {highest:g}]",
        )
    is_whole = all(isinstance(one, int) for row in flat for one in row)
    rows = (values - lowest) / (highest - lowest)
    return Samples(tuple(instances), rows, name, lowest, highest, is_whole)


def scores(predictions: Sequence[Json], output: str | None) -> Array | None:
    """One row of class scores for each prediction; None where they are no scores."""
    found = [_scores(one, output) for one in predictions]
    if not found or any(len(one) < 2 or len(one) != len(found[0]) for one in found):
        return None
    return np.array(found, dtype=np.float64)


def _scores(prediction: Json, output: str | None) -> list[float]:
    if isinstance(prediction, dict):
        prediction = prediction.get(output or _only(prediction))
    if not isinstance(prediction, list):
        return []
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in prediction):
        return []
    return [float(str(one)) for one in prediction]


def _only(document: dict[str, Json]) -> str:
    if len(document) != 1:
        raise InvalidInput(
            f"there are {len(document)} of them: {', '.join(sorted(document))[:200]}",
            fix="name the input in spec.robustness.input, the output in spec.output",
        )
    return next(iter(document))


def _numbers(value: Json, name: str | None) -> Iterator[int | float]:
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one, name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    else:
        raise InvalidInput(f"the input {name or 'of the model'} is not made of numbers")


def _filled(shape: Json, flat: Iterator[int | float]) -> Json:
    """The next numbers, nested as `shape` is."""
    return [_filled(one, flat) for one in shape] if isinstance(shape, list) else next(flat)
