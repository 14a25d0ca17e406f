"""A declared student as an ONNX graph with weights that are drawn: what it is before it learns.

Convolutions and dense layers begin with He's normal weights (He et al. 2015), tables with small
ones. The output of the n-th layer that is declared is called `layer_n`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from registry.errors import Unsupported
from registry.making.optimising import layers
from registry.making.optimising.samples import Array

_OPSET, _IR = 20, 9
_SMALL = 0.02
_NUMBERS = {TensorProto.INT32, TensorProto.INT64}


@dataclass(frozen=True, slots=True)
class Taken:
    """The one input of a teacher: its name, ONNX's type, and the shape of one sample; and what the
    answer is called."""

    name: str
    kind: int
    shape: tuple[int, ...]
    output: str


def taken(teacher: Path, output: str | None) -> Taken:
    """Raises Unsupported where a declared student cannot take what the teacher takes."""
    graph = layers.load(teacher).graph
    constants = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in constants]
    sizes = [one.dim_value for one in inputs[0].type.tensor_type.shape.dim][1:]
    if len(inputs) != 1 or not sizes or not all(sizes):
        raise Unsupported(
            "a student of layers takes one input of a fixed shape, the teacher takes "
            + ", ".join(one.name for one in inputs),
            fix="bring the student as a file: path: student.onnx",
        )
    kind = inputs[0].type.tensor_type.elem_type
    return Taken(inputs[0].name, kind, tuple(sizes), output or graph.output[0].name)


def write(declared: Sequence[Mapping[str, Any]], what: Taken, seed: int, target: Path) -> None:
    """The layers as a graph (n, …) to (n, classes); raises Unsupported with the layer's number
    where one does not fit on that before it."""
    made = _Graph(np.random.default_rng(seed), what)
    for number, layer in enumerate(declared, start=1):
        ((name, said),) = layer.items()
        try:
            _KINDS[name](made, said)
        except ValueError as error:
            raise Unsupported(
                f"layer {number} of the student, {name}: {error}",
                fix="each layer takes what that before it gives; see docs/optimise.md",
            ) from error
        made.node("Identity", made.at, output=f"layer_{number}")
    made.node("Identity", made.at, output=what.output)
    layers.save(made.model(what), target)


class _Graph:
    """Grows at `at`, where a sample has the shape `shape`."""

    def __init__(self, random: np.random.Generator, what: Taken) -> None:
        self.random, self.at, self.shape = random, what.name, what.shape
        self.is_number = what.kind in _NUMBERS
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        if not self.is_number and what.kind != TensorProto.FLOAT:
            self.node("Cast", self.at, to=TensorProto.FLOAT)

    def node(self, kind: str, *inputs: str, output: str = "", **said: Any) -> str:
        """A node, which has the name of its output."""
        name = output or f"{kind}_{len(self._nodes) + 1}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name, **said))
        self.at = name
        return name

    def constant(self, values: Any, name: str) -> str:
        """Called after the node that comes next."""
        full = f"{name}_{len(self._nodes) + 1}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), full))
        return full

    def drawn(self, shape: Sequence[int], into: int) -> Array:
        """He's normal weights for `into` inputs."""
        found: Array = (self.random.standard_normal(shape) * (2 / into) ** 0.5).astype(np.float32)
        return found

    def zeros(self, *shape: int) -> Array:
        return np.zeros(shape, np.float32)

    def require(self, *, dimensions: int, number: bool = False) -> None:
        """Raises ValueError for another shape, or for whole numbers where none are taken."""
        if self.is_number != number:
            raise ValueError("whole numbers go through an embedding first, and nothing else does")
        if dimensions and len(self.shape) != dimensions:
            raise ValueError(f"it takes {dimensions} axes of a sample, there are {self.shape}")

    def dense(self, x: str, width: int) -> str:
        """Over the last axis of `x`, which has `shape`."""
        into = self.shape[-1]
        weight = self.constant(self.drawn((into, width), into), "weight")
        bias = self.constant(self.zeros(width), "bias")
        if len(self.shape) == 1:
            return self.node("Gemm", x, weight, bias)
        return self.node("Add", self.node("MatMul", x, weight), bias)

    def active(self, kind: str) -> None:
        """The activation after what was made last."""
        if kind != "none":
            self.node({"relu": "Relu", "gelu": "Gelu", "tanh": "Tanh"}[kind], self.at)

    def model(self, what: Taken) -> Any:
        """All of it."""
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self._nodes, "student", [value(what.name, what.kind, ["batch", *what.shape])],
            [value(what.output, TensorProto.FLOAT, ["batch", *self.shape])], self._constants,
        )  # fmt: skip
        opsets = [helper.make_opsetid("", _OPSET)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
        onnx.checker.check_model(made, full_check=True)
        return made


def _reshape(graph: _Graph, said: Sequence[int]) -> None:
    graph.require(dimensions=0)
    if prod(said) != prod(graph.shape):
        raise ValueError(f"{list(said)} are not as many numbers as {list(graph.shape)}")
    _to(graph, said)


def _to(graph: _Graph, shape: Sequence[int]) -> None:
    graph.node("Reshape", graph.at, graph.constant(np.array([-1, *shape]), "shape"))
    graph.shape = tuple(shape)


def _flatten(graph: _Graph, _said: Mapping[str, Any]) -> None:
    graph.require(dimensions=0)
    _to(graph, [prod(graph.shape)])


def _conv(graph: _Graph, said: Mapping[str, Any]) -> None:
    graph.require(dimensions=3)
    into, *sizes = graph.shape
    channels, kernel, stride = said["channels"], said["kernel"], said["stride"]
    weight = graph.drawn((channels, into, kernel, kernel), into * kernel * kernel)
    given = [graph.at, graph.constant(weight, "weight")]
    if not said["norm"]:
        given.append(graph.constant(graph.zeros(channels), "bias"))
    graph.node("Conv", *given, pads=[kernel // 2] * 4, strides=[stride, stride],
               kernel_shape=[kernel, kernel])  # fmt: skip
    if said["norm"]:
        ones, zeros = graph.zeros(channels) + 1, graph.zeros(channels)
        names = zip(("scale", "shift", "mean", "variance"), (ones, zeros, zeros, ones), strict=True)
        graph.node("BatchNormalization", graph.at, *(graph.constant(v, n) for n, v in names))
    graph.active(said["activation"])
    graph.shape = (channels, *((size - 1) // stride + 1 for size in sizes))


def _dense(graph: _Graph, said: Mapping[str, Any]) -> None:
    graph.require(dimensions=0)
    graph.dense(graph.at, said["width"])
    graph.active(said["activation"])
    graph.shape = (*graph.shape[:-1], said["width"])


def _pool(kind: str) -> Any:
    def of(graph: _Graph, said: Mapping[str, Any]) -> None:
        graph.require(dimensions=3)
        size = said["size"]
        if min(graph.shape[1:]) < size:
            raise ValueError(f"{graph.shape} is smaller than squares of {size}")
        graph.node(kind, graph.at, kernel_shape=[size, size], strides=[size, size])
        graph.shape = (graph.shape[0], *(one // size for one in graph.shape[1:]))

    return of


def _global_average(graph: _Graph, _said: Mapping[str, Any]) -> None:
    """(c, h, w) to (c), and (places, width) to (width)."""
    graph.require(dimensions=0)
    if len(graph.shape) not in {2, 3}:
        raise ValueError(f"there are no places in {graph.shape}")
    over, left = ([2, 3], graph.shape[0]) if len(graph.shape) == 3 else ([1], graph.shape[1])
    graph.node("ReduceMean", graph.at, graph.constant(np.array(over), "axes"), keepdims=0)
    graph.shape = (left,)


def _embedding(graph: _Graph, said: Mapping[str, Any]) -> None:
    graph.require(dimensions=1, number=True)
    width, places = said["width"], graph.shape[0]
    table = graph.random.standard_normal((said["words"], width)).astype(np.float32) * _SMALL
    graph.node("Gather", graph.constant(table, "table"), graph.at)
    graph.shape, graph.is_number = (places, width), False
    if said["places"]:
        places_table = graph.random.standard_normal(graph.shape).astype(np.float32) * _SMALL
        graph.node("Add", graph.at, graph.constant(places_table, "places"))


def _encoder(graph: _Graph, said: Mapping[str, Any]) -> None:
    graph.require(dimensions=2)
    width, heads = graph.shape[1], said["heads"]
    if width % heads:
        raise ValueError(f"a width of {width} cannot be shared by {heads} heads")
    x = graph.at
    x = graph.node("Add", x, _attention(graph, _norm(graph, x), heads))
    graph.dense(_norm(graph, x), said["hidden"])
    graph.active("gelu")
    graph.shape = (graph.shape[0], said["hidden"])
    graph.dense(graph.at, width)
    graph.shape = (graph.shape[0], width)
    graph.node("Add", x, graph.at)


def _norm(graph: _Graph, x: str) -> str:
    width = graph.shape[1]
    scale, shift = graph.zeros(width) + 1, graph.zeros(width)
    named = [graph.constant(scale, "scale"), graph.constant(shift, "shift")]
    return graph.node("LayerNormalization", x, *named, axis=-1, epsilon=1e-5)


def _attention(graph: _Graph, x: str, heads: int) -> str:
    places, width = graph.shape
    split = np.array([0, places, heads, width // heads])

    def part(order: list[int]) -> str:
        graph.node("Reshape", graph.dense(x, width), graph.constant(split, "shape"))
        return graph.node("Transpose", graph.at, perm=order)

    scores = graph.node("MatMul", part([0, 2, 1, 3]), part([0, 2, 3, 1]))
    scale = graph.constant(np.array((width / heads) ** -0.5, np.float32), "scale")
    shares = graph.node("Softmax", graph.node("Mul", scores, scale), axis=-1)
    mixed = graph.node("MatMul", shares, part([0, 2, 1, 3]))
    graph.node("Transpose", mixed, perm=[0, 2, 1, 3])
    flat = graph.constant(np.array([0, places, width]), "shape")
    return graph.dense(graph.node("Reshape", graph.at, flat), width)


_KINDS: Mapping[str, Any] = {
    "reshape": _reshape, "conv": _conv, "dense": _dense, "maxPool": _pool("MaxPool"),
    "averagePool": _pool("AveragePool"), "globalAverage": _global_average, "flatten": _flatten,
    "embedding": _embedding, "encoder": _encoder,
}  # fmt: skip
