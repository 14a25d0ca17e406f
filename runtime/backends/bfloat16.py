"""bfloat16 without a library for it: the upper half of a float32, as a numpy type of its own.

numpy has no such type, and the smallest image has nobody else's. An array of `BFLOAT16` is told
from one of uint16 by its type; it can be sliced, joined, reshaped and taken from or to bytes, but
not reckoned with: `widened` gives numbers.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

BFLOAT16 = np.dtype([("bfloat16", np.uint16)])

Array = npt.NDArray[Any]


def widened(array: Array) -> Array:
    """The same numbers as float32; exact."""
    bits = np.asarray(array, order="C").view(np.uint16).astype(np.uint32)
    return np.asarray(bits << 16).view(np.float32)


def numbers(array: Array) -> Array:
    """`array`, widened where it is of bfloat16, so that it can be compared and written out."""
    return widened(array) if array.dtype == BFLOAT16 else array


def narrowed(array: Array) -> Array:
    """The nearest bfloat16 to each number as float32, ties to even; a NaN stays one."""
    wide = np.asarray(array, dtype=np.float32, order="C")
    bits = wide.view(np.uint32)
    # Half of what is cut off, less one where the last bit that stays is even.
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    # Rounding may carry a NaN into infinity; its quiet bit keeps it a NaN.
    kept = np.where(np.isnan(wide), (bits >> 16) | 0x40, rounded)
    return kept.astype(np.uint16).view(BFLOAT16)
