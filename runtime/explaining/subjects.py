"""From a request's tensors to what is to be explained; whatever cannot be is refused here."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from registry.core.explaining import features, scores, surrogate
from registry.core.explaining.features import Layout
from registry.errors import InvalidInput
from runtime.backends import gradient_calls, protocol
from runtime.backends.protocol import Array, Arrays, Call
from runtime.explaining import question
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
    is_derived = wish.method in question.DERIVING
    featured = _floating(call, instances) if is_derived else instances
    layout = features.each(featured)
    if wish.feature_mask:
        layout = features.joined(featured, np.array(wish.feature_mask))
    _require_bounds(wish, layout.count, rows)
    output = scores.output(call.signature.outputs, wish.output)
    if is_derived and output.dtype not in gradient_calls.FLOATS:
        raise InvalidInput(
            f"output {output.name!r} is of type {output.dtype}, which has no gradient"
        )
    return Subject(name, output.name, call.batches, layout, instances, donors, in_thread)


def _floating(call: Call, instances: Arrays) -> Arrays:
    found = {name: instances[name] for name in gradient_calls.floating(call)}
    if not found:
        raise InvalidInput(
            "no input of the model is of floating numbers, by which there are gradients",
            fix=f"use one of {', '.join(question.ASKING)}",
        )
    return found


def pictured(subject: Subject, wish: Wish, *, channels_last: bool) -> Subject:
    """`subject` with each pixel of its one picture for a feature, over all channels, and nothing
    else. Raises `InvalidInput` where there is not one picture."""
    pictures = [name for name, numbers in subject.layout.numbers.items() if numbers.ndim in {2, 3}]
    if len(pictures) != 1:
        raise InvalidInput(
            f"grad_cam is about one picture, the model takes {len(pictures)}: an input of floating "
            "numbers whose rows have two axes, or three with the channels"
        )
    if wish.feature_mask:
        raise InvalidInput("the features of grad_cam are pixels: leave out 'feature_mask'")
    (name,) = pictures
    shape = subject.layout.numbers[name].shape
    height, width = shape if len(shape) == 2 else shape[:2] if channels_last else shape[1:]
    pixels = np.arange(height * width).reshape(height, width)
    if len(shape) == 3:
        pixels = np.broadcast_to(pixels[..., None] if channels_last else pixels, shape)
    return replace(subject, layout=Layout({name: pixels}, height * width), picture=(height, width))


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
    if wish.method in question.DERIVING:
        _require_derivable(count)
        return
    is_fitted = wish.method in {"kernel_shap", "lime", "surrogate"}
    most = question.MOST_FITTED if is_fitted else question.MOST_FEATURES
    if not 1 <= count <= most:
        raise InvalidInput(
            f"an instance has {count} features, {wish.method} takes from 1 to {most}: "
            "join elements in the parameter 'feature_mask'"
        )
    _require_room(wish, count, rows)


def _require_derivable(count: int) -> None:
    if not 1 <= count <= question.MOST_DERIVED:
        raise InvalidInput(
            f"an instance has {count} elements, gradients are computed by 1 to "
            f"{question.MOST_DERIVED}"
        )


def _require_room(wish: Wish, count: int, rows: int) -> None:
    if wish.method == "surrogate" and rows < surrogate.LEAST_ROWS:
        raise InvalidInput(
            f"{rows} instances, a surrogate is fitted to {surrogate.LEAST_ROWS} at least",
            fix="send more of what the model is asked, not only what is to be explained",
        )
    asked = {
        "occlusion": count + 2,
        "surrogate": rows + wish.samples,
        "permutation": rows * (1 + wish.repeats * count),
    }.get(wish.method, wish.samples + 2)
    if asked * count > question.MOST_CELLS:
        raise InvalidInput(
            f"{asked} rows of {count} features are more than one explanation may keep: "
            "lower 'samples' or 'repeats', or join elements in 'feature_mask'"
        )
