"""The shape that the Square attack adds under an L2 norm: h-squared falling off from the middle.

Andriushchenko et al. 2020, section 4.2: two rectangles of opposite signs, each a sum of ever
larger boxes with weights 1/k^2, together of norm 1.
"""

import numpy as np

from reconciler.core.trials.arrays import Array


def eta(height: int, width: int, draw: np.random.Generator) -> Array:
    """Of norm 1; a square lies on its side half of the time."""
    found = np.zeros((height, width))
    half = height // 2
    found[:half] = _rectangle(half, width)
    found[half:] = -_rectangle(height - half, width)
    found /= np.linalg.norm(found)
    return found.T if height == width and draw.random() > 0.5 else found


def _rectangle(height: int, width: int) -> Array:
    found = np.zeros((height, width))
    if not found.size:
        return found
    row, column = height // 2, width // 2
    for turn in range(max(row, column) + 1):
        rows = slice(max(row - turn, 0), min(row + turn + 1, height))
        columns = slice(max(column - turn, 0), min(column + turn + 1, width))
        found[rows, columns] += 1.0 / (turn + 1) ** 2
    return found / np.linalg.norm(found)
