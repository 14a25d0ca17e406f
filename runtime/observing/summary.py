"""A tensor in a few words that give none of its text away: type, shape, lowest, highest, mean."""

import numpy as np

from registry.core.canonical import Json
from runtime.backends import bfloat16
from runtime.backends.protocol import Array

_MOST_VALUES = 4096


def summarised(array: Array) -> dict[str, Json]:
    """Numbers of a very big tensor are those of some of its values, evenly spread; of text there
    are only the lengths in bytes."""
    shape: list[Json] = [int(size) for size in array.shape]
    kind = _kind(array)
    found: dict[str, Json] = {"dtype": kind, "shape": shape}
    flat = array.reshape(-1)
    if flat.size > _MOST_VALUES:
        flat = flat[:: -(-flat.size // _MOST_VALUES)]
    if kind == "string":
        lengths = [len(item) for item in flat]
        return {**found, "bytes": {"min": min(lengths, default=0), "max": max(lengths, default=0)}}
    with np.errstate(all="ignore"):
        values = bfloat16.numbers(flat).astype(np.float64)
        finite = values[np.isfinite(values)]
    if finite.size != values.size:
        found["notFinite"] = int(values.size - finite.size)
    if finite.size:
        found["min"], found["max"] = float(finite.min()), float(finite.max())
        found["mean"] = float(finite.mean())
    return found


def _kind(array: Array) -> str:
    if array.dtype == object:
        return "string"
    return "bfloat16" if array.dtype == bfloat16.BFLOAT16 else str(array.dtype)
