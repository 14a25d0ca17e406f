"""Golden data: a CSV becomes requests and expected labels; predictions become a score."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.core.kinds.template import AcceptanceSpec, Dataset, TensorFrom
from registry.core.canonical import Json
from registry.errors import InvalidInput

_ROWS_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Golden:
    """`instances[i]` is the i-th sample as `:predict` takes it, `labels[i]` the right answer."""

    instances: tuple[Json, ...]
    labels: tuple[int, ...]


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


def read(data: bytes, dataset: Dataset) -> Golden:
    """Parse CSV bytes; raises `InvalidInput` with path:line."""
    try:
        rows = csv.reader(data.decode().splitlines(), strict=True)
        header = next(rows, [])
        columns = _columns(header, dataset)
        label = _place(header, dataset.label, dataset.path)
        instances, labels = [], []
        for row in rows:
            where = f"{dataset.path}:{rows.line_num}"
            if len(row) != len(header) or rows.line_num > _ROWS_LIMIT:
                raise InvalidInput(f"{where}: {len(row)} cells, the header has {len(header)}")
            instances.append(_instance(row, dataset.inputs, columns, where=where))
            labels.append(int(_number(row[label], "int64", where=where)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{dataset.path}: not a CSV file: {error}") from error
    return Golden(tuple(instances), tuple(labels))


def score(predictions: Sequence[Json], golden: Golden, spec: AcceptanceSpec) -> Score:
    """Count right answers; a prediction that is neither a class nor scores raises."""
    right = 0
    for prediction, label in zip(predictions, golden.labels, strict=True):
        right += _class_of(prediction, spec.output) == label
    return Score(right, len(golden.labels))


def shortfalls(
    spec: AcceptanceSpec, score_now: Score, *, against: Score | None, p95_ms: float | None
) -> tuple[str, ...]:
    """Every bound of `spec` that does not hold, as a sentence; empty means passed."""
    found = []
    wanted = spec.metrics.accuracy
    if score_now.samples < spec.minimum_samples:
        found.append(f"{score_now.samples} samples, at least {spec.minimum_samples} are wanted")
    if score_now.accuracy < wanted.min:
        low, high = score_now.interval
        found.append(
            f"accuracy {score_now.accuracy:.3f} ({score_now.right} of {score_now.samples} right, "
            f"95 % interval {low:.3f} to {high:.3f}) is below the minimum {wanted.min:g}"
        )
    if wanted.max_drop is not None and against is not None:
        drop = against.accuracy - score_now.accuracy
        if drop > wanted.max_drop:
            found.append(
                f"accuracy {score_now.accuracy:.3f} is {drop:.3f} below the serving version's "
                f"{against.accuracy:.3f}, at most {wanted.max_drop:g} is allowed"
            )
    latency = spec.metrics.latency
    if latency is not None and p95_ms is not None and p95_ms > latency.p95_milliseconds:
        found.append(
            f"p95 latency {p95_ms:.1f} ms is over the budget of {latency.p95_milliseconds:g} ms"
        )
    return tuple(found)


def _columns(header: list[str], dataset: Dataset) -> list[list[int]]:
    places = []
    for tensor in dataset.inputs:
        if tensor.columns is not None:
            found = [_place(header, name, dataset.path) for name in tensor.columns]
        else:
            prefix = tensor.prefix or ""
            found = [
                place
                for place, name in enumerate(header)
                if name.startswith(prefix) and name != dataset.label
            ]
        size = math.prod(tensor.shape)
        if len(found) != size:
            raise InvalidInput(
                f"{dataset.path}:1: {len(found)} columns for input {tensor.name or 'of the model'}"
                f", its shape {tensor.shape} takes {size}"
            )
        places.append(found)
    return places


def _place(header: list[str], name: str, path: str) -> int:
    if header.count(name) != 1:
        raise InvalidInput(
            f"{path}:1: column {name!r} is there {header.count(name)} times",
            fix="name each column once in the header line",
        )
    return header.index(name)


def _instance(
    row: list[str], inputs: list[TensorFrom], columns: list[list[int]], *, where: str
) -> Json:
    tensors: dict[str, Json] = {}
    for tensor, places in zip(inputs, columns, strict=True):
        flat: list[Json] = [_number(row[place], tensor.dtype, where=where) for place in places]
        tensors[tensor.name or ""] = _shaped(flat, tensor.shape)
    return tensors[""] if list(tensors) == [""] else tensors


def _shaped(flat: list[Json], shape: Sequence[int]) -> Json:
    if not shape:
        return flat[0]
    for size in reversed(shape[1:]):
        flat = [flat[start : start + size] for start in range(0, len(flat), size)]
    return flat


def _number(text: str, dtype: str, *, where: str) -> int | float:
    try:
        number = int(text) if dtype.startswith("int") else float(text)
    except ValueError as error:
        raise InvalidInput(f"{where}: {text[:40]!r} is not a number of type {dtype}") from error
    if not math.isfinite(number):
        raise InvalidInput(f"{where}: {text[:40]!r} is not finite")
    return number


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
