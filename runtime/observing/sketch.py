"""How the values of a tensor are distributed, in fixed space: moments and logarithmic buckets.

Two sketches add up to the sketch of both streams, so those of several hosts can be compared with
those of training. A quantile is off by at most half a bucket, 2.2 % of its value (DDSketch, Masson
et al. 2019, with fixed bounds). Of text only the lengths are looked at.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.core.canonical import Json
from runtime.backends import bfloat16
from runtime.backends.protocol import Array

_PER_OCTAVE = 16  # 2 ** (1 / 16): a bucket's bounds are 4.4 % apart
_OCTAVES = 24  # from 2^-24 to 2^24; what lies beyond counts in the outermost
_HALF = 2 * _OCTAVES * _PER_OCTAVE
_ZERO = _HALF
_MOST_VALUES = 1024
_LARGEST = 1e150  # whose square is still a number

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


def _no_counts() -> Counts:
    return np.zeros(2 * _HALF + 1, dtype=np.int64)


@dataclass(slots=True)
class Sketch:
    """`count` values, and `odd` that are NaN, infinite or near to it; `mean` and `m2`, the sum of
    squared distances from it, by Chan et al.; `buckets` are those below zero,
    highest magnitude first, then zero, then those above."""

    count: int = 0
    odd: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    buckets: Counts = field(default_factory=_no_counts)

    def add(self, array: Array) -> None:
        """Look at the values, or at some of them evenly spread where there are very many."""
        values = _numbers(array)
        finite = values[np.abs(values) < _LARGEST]
        self.odd += values.size - finite.size
        if not finite.size:
            return
        mean = float(finite.mean())
        self._join(finite.size, mean, float(((finite - mean) ** 2).sum()))
        self.low = min(self.low, float(finite.min()))
        self.high = max(self.high, float(finite.max()))
        np.add.at(self.buckets, _places(finite), 1)

    def merge(self, other: "Sketch") -> None:
        """What the other one saw, too."""
        self.odd += other.odd
        if other.count:
            self._join(other.count, other.mean, other.m2)
            self.low, self.high = min(self.low, other.low), max(self.high, other.high)
            self.buckets += other.buckets

    def quantile(self, share: float) -> float | None:
        """The value below which `share` of all lie; None where nothing was seen."""
        if not self.count:
            return None
        rank = min(int(share * self.count), self.count - 1)
        place = int(np.searchsorted(np.cumsum(self.buckets), rank, side="right"))
        return min(max(_value(place), self.low), self.high)

    def document(self) -> dict[str, Json]:
        """For JSON: buckets that are not empty, as pairs of place and count."""
        seen = bool(self.count)
        filled: list[Json] = [
            [int(place), int(self.buckets[place])] for place in np.nonzero(self.buckets)[0]
        ]
        return {
            "count": self.count,
            "notFinite": self.odd,
            "mean": self.mean if seen else None,
            "variance": self.m2 / self.count if seen else None,
            "min": self.low if seen else None,
            "max": self.high if seen else None,
            "quantiles": {
                str(share): self.quantile(share) for share in (0.01, 0.25, 0.5, 0.75, 0.99)
            },
            "buckets": filled,
        }

    def _join(self, count: int, mean: float, m2: float) -> None:
        total = self.count + count
        apart = mean - self.mean
        self.m2 += m2 + apart * apart * self.count * count / total
        self.mean += apart * count / total
        self.count = total


def read(document: dict[str, Any]) -> Sketch:
    """What `Sketch.document` wrote."""
    found = Sketch(int(document["count"]), int(document["notFinite"]))
    if found.count:
        found.mean, found.low, found.high = (
            float(document[name]) for name in ("mean", "min", "max")
        )
        found.m2 = float(document["variance"]) * found.count
    for place, count in document["buckets"]:
        found.buckets[place] = count
    return found


def _numbers(array: Array) -> Reals:
    flat = array.reshape(-1)
    if flat.size > _MOST_VALUES:
        flat = flat[:: -(-flat.size // _MOST_VALUES)]
    if flat.dtype == object:
        return np.array([len(item) for item in flat], dtype=np.float64)
    with np.errstate(over="ignore"):
        return bfloat16.numbers(flat).astype(np.float64)


def _places(values: Reals) -> Counts:
    magnitude = np.abs(values)
    with np.errstate(divide="ignore"):
        steps = np.floor(np.log2(magnitude) * _PER_OCTAVE)
    inside = np.clip(steps, -_HALF // 2, _HALF // 2 - 1) + _HALF // 2 + 1
    places = np.where(magnitude == 0, 0, np.sign(values) * inside) + _ZERO
    return places.astype(np.int64)


def _value(place: int) -> float:
    """The middle of a bucket, by its bounds' geometric mean."""
    if place == _ZERO:
        return 0.0
    step = abs(place - _ZERO) - 1 - _HALF // 2
    return float(np.copysign(2.0 ** ((step + 0.5) / _PER_OCTAVE), place - _ZERO))
