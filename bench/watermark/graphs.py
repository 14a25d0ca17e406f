"""The three networks as ONNX, as a converter leaves them: other names, other layouts.

A dense kernel (in, out) becomes Gemm's (out, in), a convolution's (height, width, in, out)
becomes (out, in, height, width), and batch norm is folded into the convolution before it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime

from bench.watermark.tasks import LENGTH, Array

_make = onnx.helper
_OPSET = 18
_BATCH = 1000
_EPSILON = 1e-3  # Keras' batch norm
Weights = Mapping[str, Array]


class _Graph:
    """Nodes and initializers, each output named after its node."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def of(self, name: str) -> Array:
        """The variable of the network, float32."""
        return np.asarray(self._weights[name], np.float32)

    def constant(self, values: Array) -> str:
        """An initializer, named by its place."""
        name = f"onnx::{len(self.initializers)}"
        self.initializers.append(onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output."""
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(_make.make_node(kind, list(inputs), [output], **attributes))
        return output

    def dense(self, x: str, layer: str) -> str:
        """`x` (n, in) through the dense layer."""
        kernel = self.constant(self.of(f"{layer}/kernel").T)
        return self.node("Gemm", x, kernel, self.constant(self.of(f"{layer}/bias")), transB=1)


def onnx_of(kind: str, weights: Weights) -> bytes:
    """The network `kind` with `weights`: input `inputs`, output `logits`."""
    graph = _Graph(weights)
    output = _BUILDERS[kind](graph, "inputs")
    graph.nodes.append(_make.make_node("Identity", [output], ["logits"]))
    types = onnx.TensorProto
    shape = (types.INT32, [None, LENGTH]) if kind == "transformer" else (types.FLOAT, [None, 64])
    made = _make.make_graph(
        graph.nodes,
        kind,
        [_make.make_tensor_value_info("inputs", *shape)],
        [_make.make_tensor_value_info("logits", types.FLOAT, [None, 10])],
        graph.initializers,
    )
    opsets = [_make.make_opsetid("", _OPSET)]
    model = _make.make_model(made, opset_imports=opsets, ir_version=9)
    return bytes(model.SerializeToString())


def logits(model: bytes, inputs: Array) -> Array:
    """What onnxruntime answers (n, 10)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    parts = np.array_split(inputs, -(-len(inputs) // _BATCH))
    return np.concatenate([session.run(None, {"inputs": part})[0] for part in parts])


def _mlp(graph: _Graph, x: str) -> str:
    for layer in ("hidden_1", "hidden_2"):
        x = graph.node("Relu", graph.dense(x, layer))
    return graph.dense(x, "logits")


def _cnn(graph: _Graph, x: str) -> str:
    x = graph.node("Reshape", x, graph.constant(np.array([-1, 1, 8, 8])))
    for number in (1, 2, 3):
        kernel, bias = folded(graph.of, number)
        kernel = kernel.transpose(3, 2, 0, 1)
        x = graph.node(
            "Conv", x, graph.constant(kernel), graph.constant(bias), pads=[1, 1, 1, 1]
        )  # fmt: skip
        x = graph.node("Relu", x)
        if number == 2:
            x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.node("Transpose", x, perm=[0, 2, 3, 1])
    x = graph.node("Reshape", x, graph.constant(np.array([0, -1])))
    return graph.dense(graph.node("Relu", graph.dense(x, "hidden")), "logits")


def folded(of: Callable[[str], Array], number: int) -> tuple[Array, Array]:
    """Kernel and bias of a convolution that does its batch norm itself."""
    norm = f"norm_{number}"
    scale = of(f"{norm}/gamma") / np.sqrt(of(f"{norm}/moving_variance") + _EPSILON)
    bias = of(f"{norm}/beta") - of(f"{norm}/moving_mean") * scale
    return of(f"conv_{number}/kernel") * scale, bias


def _transformer(graph: _Graph, x: str) -> str:
    width = graph.of("words/embeddings").shape[1]
    flat, split = (graph.constant(np.array(s)) for s in ([-1, width], [-1, LENGTH, width]))
    words = graph.node("Gather", graph.constant(graph.of("words/embeddings")), x)
    x = graph.node("Add", words, graph.constant(graph.of("places/embeddings")))
    x = graph.node("Reshape", x, flat)
    for number in (1, 2):
        block = f"block_{number}"
        normed = _norm(graph, x, f"{block}_norm_1")
        x = graph.node("Add", x, _attention(graph, normed, block))
        hidden = graph.dense(_norm(graph, x, f"{block}_norm_2"), f"{block}_up")
        x = graph.node("Add", x, graph.dense(graph.node("Relu", hidden), f"{block}_down"))
    x = graph.node("Reshape", _norm(graph, x, "norm"), split)
    mean = graph.node("ReduceMean", x, graph.constant(np.array([1])), keepdims=0)
    return graph.dense(mean, "logits")


def _attention(graph: _Graph, x: str, block: str) -> str:
    heads, width = 2, graph.of(f"{block}_out/bias").size
    shape = graph.constant(np.array([-1, LENGTH, heads, width // heads]))

    def part(name: str, order: list[int]) -> str:
        split = graph.node("Reshape", graph.dense(x, f"{block}_{name}"), shape)
        return graph.node("Transpose", split, perm=order)

    scores = graph.node("MatMul", part("query", [0, 2, 1, 3]), part("key", [0, 2, 3, 1]))
    scale = graph.constant(np.array((width / heads) ** -0.5, np.float32))
    shares = graph.node("Softmax", graph.node("Mul", scores, scale))
    mixed = graph.node("MatMul", shares, part("value", [0, 2, 1, 3]))
    joined = graph.node("Transpose", mixed, perm=[0, 2, 1, 3])
    flat = graph.node("Reshape", joined, graph.constant(np.array([-1, width])))
    return graph.dense(flat, f"{block}_out")


def _norm(graph: _Graph, x: str, name: str) -> str:
    scale, bias = (graph.constant(graph.of(f"{name}/{part}")) for part in ("gamma", "beta"))
    return graph.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)


_BUILDERS = {"MLP": _mlp, "small": _mlp, "CNN": _cnn, "transformer": _transformer}
