"""Networks as ONNX files: perceptrons, a convolutional one, transformer encoders.

Their weights are drawn, not trained: an engine takes as long for either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INPUT, OUTPUT = "x", "y"
PIXELS = 784
IMAGE = (3, 64, 64)
WORDS = 1000
FEATURES = 64
_CLASSES = 10
_WIDE = 2048


@dataclass(frozen=True, slots=True)
class Encoder:
    """A transformer's measures: how many tokens of a row, how wide each, in how many heads."""

    tokens: int
    width: int
    heads: int
    layers: int


SMALL_ENCODER = Encoder(tokens=64, width=256, heads=4, layers=4)
# What the smaller ones that people search sentences with have.
SENTENCE_ENCODER = Encoder(tokens=128, width=384, heads=12, layers=6)


class _Graph:
    """Nodes one after the other; each takes what the one before it gave."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node; returns the name of what it gives."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def weights(self, *shape: int) -> str:
        """Drawn so that what comes out is about as large as what goes in."""
        scale = np.prod(shape[1:]) if len(shape) > 2 else shape[0]
        drawn = self._numbers.standard_normal(shape) / np.sqrt(scale)
        return self.constant(drawn.astype(np.float32))

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def dense(self, value: str, size: int, to: int) -> str:
        product = self.add("MatMul", value, self.weights(size, to))
        return self.add("Add", product, self.weights(to))

    def written(self, target: Path, last: str, kind: int, shape: Sequence[int]) -> Path:
        """The folder `target` with the file; `shape` is of one row of the input."""
        self._nodes.append(helper.make_node("Softmax", [last], [OUTPUT], axis=-1))
        graph = helper.make_graph(
            self._nodes,
            target.name,
            [helper.make_tensor_value_info(INPUT, kind, ["rows", *shape])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["rows", _CLASSES])],
            self._weights,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(made, full_check=True)
        target.mkdir()
        onnx.save(made, target / "model.onnx")
        return target


def perceptron(target: Path, *, seed: int = 1) -> Path:
    """784-256-10: what a server costs shows here, since the engine takes some 30 µs."""
    graph = _Graph(seed)
    hidden = graph.add("Relu", graph.dense(INPUT, PIXELS, 256))
    return graph.written(target, graph.dense(hidden, 256, _CLASSES), TensorProto.FLOAT, [PIXELS])


def tabular(target: Path) -> Path:
    """64-2048-2048-2048-10: a row costs the engine about half a millisecond of one core."""
    graph = _Graph(seed=4)
    value = graph.dense(INPUT, FEATURES, _WIDE)
    for _ in range(2):
        value = graph.dense(graph.add("Relu", value), _WIDE, _WIDE)
    last = graph.dense(graph.add("Relu", value), _WIDE, _CLASSES)
    return graph.written(target, last, TensorProto.FLOAT, [FEATURES])


def convolutional(target: Path) -> Path:
    """Three convolutions: some 6 ms a row on one core."""
    graph, value = _Graph(1), INPUT
    for before, after in ((IMAGE[0], 32), (32, 64), (64, 64)):
        weights = graph.weights(after, before, 3, 3)
        value = graph.add("Relu", graph.add("Conv", value, weights, pads=[1, 1, 1, 1]))
        if after == 64:
            value = graph.add("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", value))
    return graph.written(target, graph.dense(pooled, 64, _CLASSES), TensorProto.FLOAT, IMAGE)


def transformer(target: Path, encoder: Encoder = SMALL_ENCODER) -> Path:
    """Layers of attention and two dense ones, each normalised; the tokens' mean is classified."""
    graph, width = _Graph(1), encoder.width
    value = graph.add("Gather", graph.weights(WORDS, width), INPUT)
    for _ in range(encoder.layers):
        attended = graph.add("Add", value, _attention(graph, value, encoder))
        value = _normalised(graph, attended, width)
        inner = graph.add("Relu", graph.dense(value, width, 4 * width))
        outer = graph.dense(inner, 4 * width, width)
        value = _normalised(graph, graph.add("Add", value, outer), width)
    pooled = graph.add("ReduceMean", value, graph.constant(np.array([1])), keepdims=0)
    last = graph.dense(pooled, width, _CLASSES)
    return graph.written(target, last, TensorProto.INT64, [encoder.tokens])


def _attention(graph: _Graph, value: str, encoder: Encoder) -> str:
    tokens, width, heads = encoder.tokens, encoder.width, encoder.heads
    split = graph.constant(np.array([0, tokens, heads, width // heads]))
    join = graph.constant(np.array([0, tokens, width]))
    query, key, content = (
        graph.add("Transpose", graph.add("Reshape", graph.dense(value, width, width), split),
                  perm=perm)
        for perm in ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    )  # fmt: skip
    scale = graph.constant(np.array((width // heads) ** -0.5, np.float32))
    scores = graph.add("Softmax", graph.add("Mul", graph.add("MatMul", query, key), scale))
    mixed = graph.add("Transpose", graph.add("MatMul", scores, content), perm=[0, 2, 1, 3])
    return graph.dense(graph.add("Reshape", mixed, join), width, width)


def _normalised(graph: _Graph, value: str, width: int) -> str:
    scale = graph.constant(np.ones(width, np.float32))
    return graph.add("LayerNormalization", value, scale)
