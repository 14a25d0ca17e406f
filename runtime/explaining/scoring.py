"""The runtime's arrays as `registry.core.explaining.scores` takes them."""

from collections.abc import Mapping

from registry.core.explaining import scores
from runtime.backends import bfloat16
from runtime.backends.protocol import Array


def matrix(outputs: Mapping[str, Array], name: str, rows: int) -> Array:
    """(rows, numbers of one row), float64; raises `InvalidInput` where it has other rows."""
    return scores.matrix(bfloat16.numbers(outputs[name]), name, rows)
