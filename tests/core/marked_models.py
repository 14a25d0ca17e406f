"""Small models as arrays, marked for a few recipients, and what leakers do to them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.core.watermark import keys
from registry.core.watermark.embedding import Marker
from registry.core.watermark.scheme import Tensor

Array = NDArray[np.float32]
Model = dict[str, Array]
ALPHA = 0.02
VERSION = keys.version_key(b"m" * 32, "sha256:" + "a" * 64)
OTHER = keys.version_key(b"m" * 32, "sha256:" + "b" * 64)


@dataclass(frozen=True)
class Kept:
    """A tensor of a model in memory."""

    tensor: Tensor
    array: NDArray[np.generic]

    @property
    def load(self):  # type: ignore[no-untyped-def]
        return lambda: self.array


def network(seed: int = 1, width: int = 512) -> Model:
    random = np.random.default_rng(seed)
    shapes = {"first": (64, width), "second": (width, 256), "last": (256, 10)}
    return {
        name: (random.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        for name, shape in shapes.items()
    }


def held(model: Mapping[str, NDArray[np.generic]]) -> dict[str, Kept]:
    return {
        name: Kept(Tensor(name, "float32", array.shape), array) for name, array in model.items()
    }


def copy_for(recipient: str, model: Model, alpha: float = ALPHA) -> Model:
    marker = Marker(VERSION.copy_key(recipient), alpha)
    return {
        name: np.asarray(
            marker.mark(Tensor(name, "float32", array.shape), 0, array.ravel()), np.float32
        ).reshape(array.shape)
        for name, array in model.items()
    }


def reordered(model: Model, *, seed: int = 3) -> Model:
    """The same function of rectified neurons: permuted, and rescaled against the next layer."""
    random = np.random.default_rng(seed)
    changed = dict(model)
    for before, after in (("first", "second"), ("second", "last")):
        size = model[before].shape[1]
        order = random.permutation(size)
        scale = np.exp(0.5 * random.standard_normal(size)).astype(np.float32)
        changed[before] = changed[before][:, order] * scale
        changed[after] = changed[after][order] / scale[:, None]
    return changed


def negated(model: Model, *, share: float) -> Model:
    """The same function of neurons with an odd activation: some negated on both sides."""
    random = np.random.default_rng(5)
    changed = dict(model)
    for before, after in (("first", "second"), ("second", "last")):
        sign = np.where(random.random(model[before].shape[1]) < share, -1, 1).astype(np.float32)
        changed[before] = changed[before] * sign
        changed[after] = changed[after] * sign[:, None]
    return changed
