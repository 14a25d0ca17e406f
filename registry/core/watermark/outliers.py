"""Keeps a suspect's numbers where squares of them can be added up in float32.

Whoever hides a mark may scale a layer by 10²⁰ and the next one back, or give weights that nothing
reads a value beside which all others vanish. No key goes in.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
# So many times what a twentieth of the weights exceed, no weight that does anything is.
_FAR = 16.0
_LOOKED_AT = 1 << 20
_SMALL, _LARGE = 1e-9, 1e9
_CLIP = 4.0


def bounded(array: Array) -> Array:
    """With zeros for what is not finite, outliers cut, and extreme scales brought to 1."""
    array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    usual = _usual(array)
    if not usual:
        return array
    if not _SMALL < usual < _LARGE:
        with np.errstate(over="ignore"):
            array = np.nan_to_num(array / np.float32(usual))
        usual = 1.0
    return np.clip(array, -_FAR * usual, _FAR * usual, out=array)


def clipped(y: Array) -> Array:
    """At four times their RMS, so that none of them outvotes thousands.

    Again for as long as few outliers make most of the RMS themselves.
    """
    limit = np.inf
    while (tighter := _CLIP * float(np.sqrt(np.mean(np.square(y), dtype=np.float64)))) < limit / 2:
        limit = tighter
        y = np.clip(y, -limit, limit)
    return y


def _usual(array: Array) -> float:
    """The size that a twentieth of the weights exceed; 0 where there are none."""
    some = np.abs(array.ravel()[:: (array.size // _LOOKED_AT) | 1])
    some = some[some > 0]
    if not some.size:
        return 0.0
    place = some.size * 19 // 20
    return float(np.partition(some, place)[place])
