"""A tensor as rows, one to each example: a value of each, its mean, or what it says."""

import numpy as np

from runtime.backends import bfloat16
from runtime.backends.protocol import Array

_LONGEST_TEXT = 256
_MOST_VALUES = 65_536


class Misfit(Exception):
    """The tensor has no such value; the message goes on after the tensor's name."""


def rows(array: Array) -> Array:
    """Two-dimensional; a tensor of one dimension has one value to a row."""
    if array.ndim == 0:
        return array.reshape(1, 1)
    return array.reshape(array.shape[0], -1) if array.size else array.reshape(0, 0)


def columns(found: Array, column: int | None) -> Array:
    """Of each row the value at `column`, or without one its mean. Raises `Misfit`."""
    if found.dtype == object:
        raise Misfit("is text, which is counted by categories")
    if not found.size:
        return np.zeros(0)
    if column is not None or found.shape[1] == 1:
        return _numbers(_at(found, column or 0))
    if found.shape[1] > _MOST_VALUES:
        found = found[:, :: -(-found.shape[1] // _MOST_VALUES)]
    with np.errstate(all="ignore"):
        return np.asarray(_numbers(found).mean(axis=1))


def tops(found: Array, column: int | None) -> list[str]:
    """Of each row what it says: its integer or text, or the place of its highest score. A row
    with a score that is no number says nothing. Raises `Misfit`."""
    if not found.size:
        return []
    if column is not None or found.shape[1] == 1:
        chosen = _at(found, column or 0)
        return [_said(value) for value in bfloat16.numbers(chosen).tolist()]
    if found.dtype == object:
        raise Misfit("has several texts in a row: name a column")
    scores = _numbers(found)
    odd = np.asarray(np.isnan(scores).any(axis=1))
    places = np.where(odd, -1, np.argmax(scores, axis=1))
    return ["" if place < 0 else str(place) for place in places.tolist()]


def _numbers(found: Array) -> Array:
    return bfloat16.numbers(found).astype(np.float64)


def _at(found: Array, column: int) -> Array:
    if column >= found.shape[1]:
        raise Misfit(f"has {found.shape[1]} values in a row: there is no column {column}")
    return np.asarray(found[:, column])


def _said(value: object) -> str:
    match value:
        case bytes():
            return value[:_LONGEST_TEXT].decode("utf-8", "replace")
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() else ""
        case _:
            return str(value)
