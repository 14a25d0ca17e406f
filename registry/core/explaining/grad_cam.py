"""Grad-CAM: where in a picture a convolution saw what speaks for the score.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization", ICCV 2017, equations 1 and 2: each map is weighted by the mean of the score's
gradient over it, and what is left of their sum above 0 is stretched to the picture, bilinearly.
"""

import numpy as np

from registry.core.explaining.terms import Array, Attribution


def located(maps: Array, gradients: Array) -> Array:
    """(height, width) of (channels, height, width) of one layer and the score's gradient by it."""
    weights = gradients.mean(axis=(1, 2))
    return np.maximum(np.tensordot(weights, maps, axes=1), 0)


def stretched(found: Array, height: int, width: int) -> Array:
    """`found` (rows, columns) in another size; between the middles of its elements it is a line."""
    return _along(_along(found, height).T, width).T


class GradCam:
    """Of one instance, whose picture is `height` by `width`; see `gradients.GradientMethod`, but
    that it is told a layer's maps and gradients."""

    def __init__(self, height: int, width: int) -> None:
        self._size = height, width
        self._found: Attribution | None = None

    @property
    def is_told(self) -> bool:
        """There is nothing more to ask."""
        return self._found is not None

    def told(self, score: float, maps: Array, gradients: Array) -> None:
        """(channels, rows, columns) each."""
        values = stretched(located(maps, gradients), *self._size).reshape(-1)
        nothing = np.zeros(len(values))
        self._found = Attribution(values, nothing, np.nan, score, np.nan, 1, is_finished=True)

    def found(self) -> Attribution | None:
        """See `GradientMethod`; there is no base, and the unit is the map's."""
        return self._found


def _along(found: Array, size: int) -> Array:
    """(size, columns): as elements are centred, each at half a step from the edge of its own."""
    count = len(found)
    at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
    low = np.floor(at).astype(np.intp)
    share = (at - low)[:, None]
    return np.asarray(found[low] * (1 - share) + found[np.minimum(low + 1, count - 1)] * share)
