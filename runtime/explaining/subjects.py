"""From a request's tensors to what is to be explained; whatever cannot be is refused here."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from registry.core.explaining import features
from registry.errors import InvalidInput
from runtime.backends import protocol
from runtime.backends.protocol import Array, Arrays, Call
from runtime.explaining import question, scoring
from runtime.explaining.asking import Subject
from runtime.explaining.question import Wish


def of(
    name: str, call: Call, instances: Arrays, background: Arrays, wish: Wish, *, in_thread: bool
) -> Subject:
    """`background` is empty for zeros and empty strings. Raises `InvalidInput`."""
    protocol.require_fit(call.signature, instances)
    rows = _rows(instances)
    if not 1 <= rows <= question.MOST_INSTANCES:
        raise InvalidInput(
            f"{rows} instances, from 1 to {question.MOST_INSTANCES} are explained at once"
        )
    if not call.batches and any(array.shape[0] != 1 for array in instances.values()):
        raise InvalidInput("the model takes no rows: send one instance")
    donors = background or {name: _nothing(array) for name, array in instances.items()}
    _require_background(instances, donors)
    layout = features.each(instances)
    if wish.feature_mask:
        layout = features.joined(instances, np.array(wish.feature_mask))
    _require_bounds(wish, layout.count, rows)
    output = scoring.output(call, wish.output).name
    return Subject(name, output, call.batches, layout, instances, donors, in_thread)


def background_rows(given: Any) -> list[Any] | None:
    """The rows of the parameter `baseline`; None where it is not there."""
    if given is None:
        return None
    if not isinstance(given, list) or not 1 <= len(given) <= question.MOST_BACKGROUND:
        raise InvalidInput(
            f"parameter 'baseline' must be a list of 1 to {question.MOST_BACKGROUND} rows, each as "
            "an instance is"
        )
    return given


def _rows(instances: Mapping[str, Array]) -> int:
    counts = {array.shape[0] if array.ndim else 0 for array in instances.values()}
    if len(counts) != 1:
        raise InvalidInput("the inputs have different numbers of rows")
    return counts.pop()


def _nothing(array: Array) -> Array:
    shape = (1, *array.shape[1:])
    return np.full(shape, b"", object) if array.dtype == object else np.zeros(shape, array.dtype)


def _require_background(instances: Arrays, donors: Arrays) -> None:
    _rows(donors)
    for name, array in instances.items():
        if donors[name].shape[1:] != array.shape[1:]:
            raise InvalidInput(
                f"a row of 'baseline' has the shape {list(donors[name].shape[1:])} for input "
                f"{name!r}, an instance has {list(array.shape[1:])}"
            )


def _require_bounds(wish: Wish, count: int, rows: int) -> None:
    is_fitted = wish.method in {"kernel_shap", "lime"}
    most = question.MOST_FITTED if is_fitted else question.MOST_FEATURES
    if not 1 <= count <= most:
        raise InvalidInput(
            f"an instance has {count} features, {wish.method} takes from 1 to {most}: "
            "join elements in the parameter 'feature_mask'"
        )
    asked = {
        "occlusion": count + 2,
        "permutation": rows * (1 + wish.repeats * count),
    }.get(wish.method, wish.samples + 2)
    if asked * count > question.MOST_CELLS:
        raise InvalidInput(
            f"{asked} rows of {count} features are more than one explanation may keep: "
            "lower 'samples' or 'repeats', or join elements in 'feature_mask'"
        )
