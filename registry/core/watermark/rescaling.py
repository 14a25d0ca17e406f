"""Puts back what a suspect's neurons were multiplied with: factors, and signs.

A rectified neuron computes the same when it is multiplied by a positive number and what reads it is
divided by that; one with an odd activation also when both are negated. No key goes in.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
# From here on two tensors, or neurons, are the same weights, however much was done to them.
ALIKE = 0.5
# A factor that is nearer to 1 may be the mark's own, or a quantiser's.
_RESCALED = 0.2


def rescaled(original: Array, suspect: Array) -> Array:
    """Neurons that agree get back what they were multiplied with: signs first, then factors."""
    for axis in range(original.ndim):
        agree, factors = _agreeing(original, suspect, axis)
        suspect = _multiplied(suspect, np.where(agree & (factors < 0), -1, 1), axis)
    for axis in range(original.ndim):
        agree, factors = _agreeing(original, suspect, axis)
        is_far = np.abs(factors - 1) > _RESCALED
        suspect = _multiplied(suspect, np.where(agree & is_far, factors, 1), axis)
    return suspect


def _agreeing(original: Array, suspect: Array, axis: int) -> tuple[NDArray[np.bool_], Array]:
    """Which neurons are the same but for a factor, and that factor."""
    ours, theirs = rows(original, axis), rows(suspect, axis)
    squares = np.einsum("ij,ij->i", theirs, theirs)
    across = np.einsum("ij,ij->i", ours, theirs)
    own = np.einsum("ij,ij->i", ours, ours)
    agree = np.abs(across) > ALIKE * np.sqrt(own * squares)
    return agree, across / np.where(squares > 0, squares, 1)


def _multiplied(suspect: Array, factors: NDArray[np.generic], axis: int) -> Array:
    if (factors == 1).all():
        return suspect
    along = [-1 if at == axis else 1 for at in range(suspect.ndim)]
    return suspect * factors.astype(np.float32).reshape(along)


def rows(array: Array, axis: int) -> Array:
    """The neurons along `axis`, one in each row."""
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
