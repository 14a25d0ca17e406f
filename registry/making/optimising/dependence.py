"""Which channels of a graph hang together: what must go from which weights if a channel goes.

Every tensor along whose one axis channels lie carries their numbers. Operations that only move
values move the numbers, so that a channel is known behind a Flatten too; those that join two
tensors, as a residual connection does, make two channels one (as DepGraph, Fang et al. 2023).
Channels that reach what cannot be cut (an output, a norm over all of them, heads) stay.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from registry.errors import Unsupported
from registry.making.optimising import asking, layers
from registry.making.optimising.samples import Array

ROWS = 2  # samples in a try run; more than one, to tell their axis from those of one element


@dataclass(frozen=True, slots=True)
class Cut:
    """The numbers of the channels along `axis` of the initializer `name`. `gives` says that the
    slice makes the channel, and does not take it."""

    name: str
    axis: int
    numbers: Array
    gives: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the sizes of a Reshape, the node's second input, name the number of channels."""

    node: str
    place: int
    numbers: Array


@dataclass(frozen=True, slots=True)
class Lies:
    """Along which axis of a tensor channels lie, and which."""

    axis: int
    numbers: Array


@dataclass(slots=True)
class Channels:
    """All channels of a graph; two that hang together have the same `root`."""

    cuts: list[Cut] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    layers: dict[str, Array] = field(default_factory=dict)  # by node, those that it makes
    stay: dict[int, str] = field(default_factory=dict)  # why, by root
    _parents: list[int] = field(default_factory=list)

    def added(self, count: int) -> Array:
        """Numbers of new channels."""
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count)

    def root(self, number: int) -> int:
        """The one that stands for all that hang together with it."""
        while self._parents[number] != number:
            self._parents[number] = self._parents[self._parents[number]]
            number = self._parents[number]
        return number

    def roots(self, numbers: Array) -> Array:
        """Of many."""
        return np.array([self.root(int(one)) for one in numbers], np.int64)

    def join(self, first: Array, second: Array) -> None:
        """One by one the same."""
        for one, other in zip(self.roots(first), self.roots(second), strict=True):
            low, high = sorted((self.root(int(one)), self.root(int(other))))
            self._parents[high] = low
            if high in self.stay:
                self.stay.setdefault(low, self.stay.pop(high))

    def keep(self, numbers: Array, why: str) -> None:
        """None of them may go."""
        for one in self.roots(np.unique(numbers)):
            self.stay.setdefault(int(one), why)

    def why(self, numbers: Array) -> str | None:
        """Why some of these stay; None where all may go."""
        for one in self.roots(numbers):
            if int(one) in self.stay:
                return self.stay[int(one)]
        return None


def tried(path: Path, work: Path) -> dict[str, Array]:
    """Every tensor of the graph as onnxruntime makes it of zeros, by name; raises Unsupported
    where the inputs' shapes are not told."""
    model = layers.load(path)
    constants = {one.name for one in model.graph.initializer}
    known = {one.name for one in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in known:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    opened = work / "tried.onnx"
    layers.save(model, opened)
    given = {one.name: _zeros(one) for one in model.graph.input if one.name not in constants}
    session = asking.load(opened, model.graph.output[0].name, level="none").session
    names = [one.name for one in session.get_outputs()]
    found = dict(zip(names, session.run(names, given), strict=True))
    opened.unlink()
    return (
        found
        | given
        | {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    )


def _zeros(told: Any) -> Array:
    kind = told.type.tensor_type
    first, *sizes = [one.dim_value for one in kind.shape.dim] or [0]
    if not all(sizes):
        raise Unsupported(
            f"input {told.name!r} has a free axis beside that of the samples",
            fix="export the model with fixed sizes, or prune by magnitude",
        )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    return np.zeros([first or ROWS, *sizes], dtype)


def carried(marked: Array) -> Lies | None:
    """Where channels lie in an array that holds their numbers, -1 where there is none; None where
    they lie along no single axis."""
    for axis in range(marked.ndim):
        moved = np.moveaxis(marked, axis, 0).reshape(marked.shape[axis], -1)
        if moved.size and (moved == moved[:, :1]).all():
            return Lies(axis, moved[:, 0].copy())
    return None


def marked(shape: tuple[int, ...], lies: Lies) -> Array:
    """An array of `shape` that holds the number of the channel at each place."""
    along = [1] * len(shape)
    along[lies.axis] = shape[lies.axis]
    return np.broadcast_to(lies.numbers.reshape(along), shape)
