"""Pruning by magnitude: which weights are 0, in one layer, over all, or in a pattern of n of m.

Han et al. 2015 for magnitude; the n:m pattern as NVIDIA's sparse tensor cores read it: along what
a layer takes in.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from registry.core.canonical import Json
from registry.errors import Unsupported
from registry.making.optimising import layers
from registry.making.optimising.layers import Layer
from registry.making.optimising.samples import Array

Masks = dict[str, Array]
_PRUNED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}


def prune(source: Path, target: Path, said: Mapping[str, Any]) -> list[Json]:
    """Write the model with weights at 0 as `said` (the step, as JSON); returns what to tell."""
    model = layers.load(source)
    found = prunable(model, said["exclude"])
    weights = {one.weight: layers.initializer(model, one.weight) for one in found}
    for name, mask in masks(found, weights, said, said.get("sparsity", 0.0)).items():
        layers.replace(model, name, weights[name] * mask)
    layers.save(model, target)
    return told(model, found)


def prunable(model: Any, exclude: list[str]) -> list[Layer]:
    """The layers whose weights may go, each weight once; raises Unsupported where none is left."""
    found: dict[str, Layer] = {}
    for one in layers.weighted(model):
        if one.node.op_type in _PRUNED and not one.is_named(exclude):
            found.setdefault(one.weight, one)
    if not found:
        raise Unsupported(
            "there is no layer to prune: none has constant weights, or all are excluded",
            fix="exclude fewer",
        )
    return list(found.values())


def masks(
    found: list[Layer], weights: Mapping[str, Array], said: Mapping[str, Any], sparsity: float
) -> Masks:
    """By weight, True where it stays; `sparsity` is the share that goes."""
    if said["method"] == "nm":
        return {one.weight: pattern(weights[one.weight], one.axis_in, said["n"], said["m"])
                for one in found}  # fmt: skip
    if said["scope"] == "layer":
        return {one.weight: _largest(weights[one.weight], sparsity) for one in found}
    sizes = [np.abs(weights[one.weight]).ravel() for one in found]
    every = _largest(np.concatenate(sizes), sparsity)
    parts = np.split(every, np.cumsum([len(one) for one in sizes])[:-1])
    return {one.weight: part.reshape(one.shape) for one, part in zip(found, parts, strict=True)}


def pattern(weight: Array, axis: int, n: int, m: int) -> Array:
    """The `n` largest of each `m` in a row along `axis`, what a layer takes in.

    What is left of a row that `m` does not divide stays whole.
    """
    moved = np.moveaxis(weight, axis, -1)
    rows = np.abs(moved).reshape(-1, weight.shape[axis])
    whole = rows.shape[1] // m * m
    groups = rows[:, :whole].reshape(len(rows), -1, m)
    order = np.argsort(-groups, axis=-1, kind="stable")
    kept = np.zeros(groups.shape, bool)
    np.put_along_axis(kept, order[..., :n], values=True, axis=-1)
    mask = np.ones(rows.shape, bool)
    mask[:, :whole] = kept.reshape(len(rows), whole)
    return np.moveaxis(mask.reshape(moved.shape), -1, axis)


def _largest(weight: Array, sparsity: float) -> Array:
    """All but the smallest share; among equals the first go."""
    gone = int(weight.size * sparsity)
    order = np.argsort(np.abs(weight), axis=None, kind="stable")
    mask = np.ones(weight.size, bool)
    mask[order[:gone]] = False
    return mask.reshape(weight.shape)


def told(model: Any, found: list[Layer]) -> list[Json]:
    """How many weights of these layers are 0."""
    weights = [layers.initializer(model, one.weight) for one in found]
    zero = sum(int(np.count_nonzero(one == 0)) for one in weights)
    total = sum(one.size for one in weights)
    told = f"{100 * zero / total:.1f} % of {total:,} weights in {len(found)} layers are 0"
    return [f"{told}: the file is no smaller, and only engines with sparse kernels are faster"]
