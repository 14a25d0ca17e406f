"""Scores of a suspect's weights against keys: blind, from the weights alone, or informed.

Informed is the matched filter on what the suspect differs from the original by; blind correlates
the sizes of the weights themselves. Whatever the weights are, the statistics of `statistics` hold:
only the chips are random, and none of them goes into y.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from registry.core.watermark import chips, outliers, statistics
from registry.core.watermark.findings import Detector, Score
from registry.core.watermark.keys import CopyKey
from registry.core.watermark.scheme import OWNER, Tensor

Array = NDArray[np.float32]
# One weight must not outvote thousands: beyond so many RMS of its row it counts no more.
_CLIP = 4.0
_TOGETHER = 1 << 20


@dataclass(slots=True)
class _Sums:
    """Over all tensors: Σ x·y; Σ v·y² for the bound; Σ E[x²]·y² for standard deviations."""

    product: float = 0.0
    proxy: float = 0.0
    variance: float = 0.0

    def add(self, product: float, proxy: float, variance: float) -> None:
        self.product += product
        self.proxy += proxy
        self.variance += variance


@dataclass(slots=True)
class Tally:
    """Adds up tensors, then gives the scores of every key."""

    keys: Mapping[str, CopyKey]
    _sums: dict[tuple[str, Detector], _Sums] = field(default_factory=dict)

    def informed(self, tensor: Tensor, suspect: Array, original: Array) -> None:
        """Both detectors; both arrays as they lie in the original."""
        found = {
            Detector.INFORMED: differences(suspect, original),
            Detector.BLIND: sizes(suspect),
        }
        self._add(tensor, found)

    def blind(self, tensor: Tensor, suspect: Array) -> None:
        """As it lies in the original, whose values nobody needs."""
        self._add(tensor, {Detector.BLIND: sizes(suspect)})

    def scores(self) -> tuple[Score, ...]:
        """Rounded so that no bound is claimed smaller than it is."""
        return tuple(
            _score(recipient, detector, sums) for (recipient, detector), sums in self._sums.items()
        )

    def _add(self, tensor: Tensor, found: Mapping[Detector, Array]) -> None:
        for recipient, detector in itertools.product(self.keys, found):
            self._sums.setdefault((recipient, detector), _Sums())
        flat = {detector: y.ravel() for detector, y in found.items()}
        for start in range(0, math.prod(tensor.shape), _TOGETHER):
            block = {detector: y[start : start + _TOGETHER] for detector, y in flat.items()}
            self._block(tensor, start, block)

    def _block(self, tensor: Tensor, start: int, block: Mapping[Detector, Array]) -> None:
        count = len(next(iter(block.values())))
        # The bias is the version's: the same in every copy's key.
        limits = chips.limits(next(iter(self.keys.values())), tensor, start, count)
        parts = {detector: _Part.of(y, limits) for detector, y in block.items()}
        for recipient, key in self.keys.items():
            if recipient == OWNER:
                for detector, part in parts.items():
                    self._sums[recipient, detector].add(*part.of_owner())
                continue
            signs = (chips.draws(key, tensor, start, count) < limits).astype(np.float32)
            for detector, part in parts.items():
                self._sums[recipient, detector].add(*part.of_recipient(signs))


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of y, and what is the same of it for every recipient."""

    y: Array
    total: float
    owner: float
    squares: float
    proxy: float
    variance: float

    @classmethod
    def of(cls, y: Array, limits: NDArray[np.uint8]) -> Self:
        squared = np.square(y)
        return cls(
            y,
            float(y.sum(dtype=np.float64)),
            float(np.dot(statistics.MEANS[limits], y)),
            float(squared.sum(dtype=np.float64)),
            float(np.dot(statistics.CHIP_PROXIES[limits], squared)),
            float(np.dot(statistics.VARIANCES[limits], squared)),
        )

    def of_owner(self) -> tuple[float, float, float]:
        """Σ x·y, Σ v·y² and Σ E[x²]·y² of x = 2p − 1."""
        return (
            self.owner,
            statistics.BIAS_PROXY * self.squares,
            statistics.BIAS_VARIANCE * self.squares,
        )

    def of_recipient(self, signs: Array) -> tuple[float, float, float]:
        """The same of x = c − (2p − 1), with 1 in `signs` where c is +1."""
        product = 2 * float(np.dot(signs, self.y)) - self.total - self.owner
        return product, self.proxy, self.variance


def differences(suspect: Array, original: Array) -> Array:
    """(s − a)·a over the variance of the row, clipped; what was pruned says nothing."""
    row = np.mean(np.square(original), axis=tuple(range(1, original.ndim)), keepdims=True)
    y = (suspect - original) * original / np.where(row > 0, row, 1)
    return outliers.clipped(np.where(suspect == 0, 0, y).astype(np.float32))


def sizes(suspect: Array) -> Array:
    """|s| over the RMS of its row, less their mean; what was pruned says nothing."""
    y = np.abs(suspect)
    for axis in {0, y.ndim - 1}:
        others = tuple(at for at in range(y.ndim) if at != axis)
        rms = np.sqrt(np.mean(np.square(y), axis=others, keepdims=True))
        y = y / np.where(rms > 0, rms, 1)
    is_there = suspect != 0
    mean = float(y[is_there].mean()) if is_there.any() else 0.0
    return np.where(is_there, np.minimum(y, _CLIP) - mean, 0).astype(np.float32)


def _score(recipient: str, detector: Detector, sums: _Sums) -> Score:
    u = sums.product / math.sqrt(sums.proxy) if sums.proxy > 0 else 0.0
    z = sums.product / math.sqrt(sums.variance) if sums.variance > 0 else 0.0
    u = math.floor(u * 100) / 100
    bound = math.ceil(statistics.log10_bound(u) * 100) / 100
    return Score(recipient, detector, round(z, 2), u, bound)
