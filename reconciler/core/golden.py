"""Golden data: samples as tensors with the right answers; and counting right answers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from reconciler.core.kinds.template import AcceptanceSpec, Dataset, TensorFrom
from reconciler.core.tables import csv_table, npz, parquet
from reconciler.core.tables.table import Table
from registry.core.canonical import Json
from registry.errors import InvalidInput

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input, `values[i]` the i-th sample's; without a `name` it is the model's only one."""

    name: str | None
    values: Array


@dataclass(frozen=True, slots=True)
class Golden:
    """`labels[i]` is the right answer to the i-th sample, int64 for classes and float64 for
    numbers; `slices` says by name which samples are in one."""

    tensors: tuple[Tensor, ...]
    labels: Array
    slices: Mapping[str, Array] = field(default_factory=dict)

    @property
    def instances(self) -> tuple[Json, ...]:
        """The samples as `:predict` takes them."""
        if [one.name for one in self.tensors] == [None]:
            return tuple(self.tensors[0].values.tolist())
        named = [(one.name or "", one.values.tolist()) for one in self.tensors]
        return tuple({name: rows[at] for name, rows in named} for at in range(len(self.labels)))


@dataclass(frozen=True, slots=True)
class Score:
    """`right` of `samples` were predicted as labelled."""

    right: int
    samples: int

    @property
    def accuracy(self) -> float:
        """The share of right answers; 0 without samples."""
        return self.right / self.samples if self.samples else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson 1927)."""
        if not self.samples:
            return 0.0, 1.0
        z, n, p = 1.96, self.samples, self.accuracy
        middle = p + z * z / (2 * n)
        spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def read(data: bytes, spec: AcceptanceSpec) -> Golden:
    """Parse golden data; raises `InvalidInput` that says where."""
    dataset = spec.dataset
    table = _table(data, dataset, sorted(_wanted(spec)))
    if not table.samples:
        raise InvalidInput(f"{dataset.place}: there is no sample")
    label = table.numbers(dataset.label, "int64" if spec.asks_classes else "float64")
    if label.size != table.samples:
        raise InvalidInput(f"{dataset.place}: the label has several values for a sample")
    slices = {
        one.name: np.logical_and.reduce([table.are(*each) for each in one.where.items()])
        for one in spec.slices
    }
    tensors = tuple(_tensor(one, table, dataset) for one in dataset.inputs)
    return Golden(tensors, label.reshape(-1), slices)


def score(predictions: Sequence[Json], golden: Golden, spec: AcceptanceSpec) -> Score:
    """Count right answers; a prediction that is neither a class nor scores raises."""
    right = 0
    for prediction, label in zip(predictions, golden.labels, strict=True):
        right += _class_of(prediction, spec.output) == label
    return Score(right, len(golden.labels))


def _wanted(spec: AcceptanceSpec) -> Iterator[str]:
    """Names of columns; one that ends with `*` stands for all that begin so."""
    yield spec.dataset.label
    for tensor in spec.dataset.inputs:
        yield from tensor.columns or [f"{tensor.prefix}*"]
    for one in spec.slices:
        yield from one.where


def _table(data: bytes, dataset: Dataset, wanted: Sequence[str]) -> Table:
    match dataset.read_as:
        case "csv":
            return csv_table.read(data, dataset.place, wanted)
        case "npz":
            return npz.read(data, dataset.place)
        case "parquet":
            return parquet.read(data, dataset.place, wanted)


def _tensor(tensor: TensorFrom, table: Table, dataset: Dataset) -> Tensor:
    """Its columns side by side, each with one or several numbers for a sample."""
    names = tensor.columns or [
        name
        for name in table.columns
        if name.startswith(tensor.prefix or "") and name != dataset.label
    ]
    parts = [table.numbers(name, tensor.dtype).reshape(table.samples, -1) for name in names]
    found, size = sum(part.shape[1] for part in parts), math.prod(tensor.shape)
    if found != size:
        raise InvalidInput(
            f"{dataset.place}: {found} columns for input {tensor.name or 'of the model'}, its "
            f"shape {tensor.shape} takes {size}"
        )
    # One column may hold all of it, in tens of megabytes that need no second copy.
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    return Tensor(tensor.name, values.reshape(table.samples, *tensor.shape))


def _class_of(prediction: Json, output: str | None) -> int:
    if isinstance(prediction, dict):
        if output is None or output not in prediction:
            raise InvalidInput(
                f"the model answers with {sorted(prediction)}, none of which is the answer",
                fix="name the right one in spec.output of the AcceptanceTemplate",
            )
        prediction = prediction[output]
    if isinstance(prediction, list) and len(prediction) == 1:
        prediction = prediction[0]
    if isinstance(prediction, int) and not isinstance(prediction, bool):
        return prediction
    if isinstance(prediction, list) and prediction:
        scores = [_as_score(value) for value in prediction]
        return max(range(len(scores)), key=scores.__getitem__)
    raise InvalidInput("the model answers with neither a class nor a list of class scores")


def _as_score(value: Json) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        raise InvalidInput(f"the model answers with {str(value)[:40]!r} where a score should be")
    return float(value)
