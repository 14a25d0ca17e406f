"""A small network with drawn weights, and samples whose right answers are mostly its own."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from registry.making.optimising import asking
from registry.making.optimising.samples import Samples

WIDTH, HIDDEN, CLASSES = 16, 64, 4


def model(path: Path, *, fixed: int | None = None) -> Path:
    """16-64-4, two Gemm of either layout; its nodes have no names."""
    random = np.random.default_rng(1)
    first = random.standard_normal((HIDDEN, WIDTH)).astype(np.float32) / 4
    second = random.standard_normal((HIDDEN, CLASSES)).astype(np.float32) / 8
    biases = [np.zeros(size, np.float32) for size in (HIDDEN, CLASSES)]
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "first", "b1"], ["h"], transB=1),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "second", "b2"], ["y"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [fixed, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [fixed, CLASSES])],
        [
            numpy_helper.from_array(values, name)
            for name, values in zip(
                ("first", "second", "b1", "b2"), (first, second, *biases), strict=True
            )
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save_model(made, path)
    return path


def samples(path: Path, count: int, *, of: Path, seed: int = 1) -> Path:
    """Right by the network, but for one in ten."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, WIDTH)).astype(np.float32)
    asked = asking.load(of, None)
    labels = asking.classes(asked.scores(Samples({"x": rows}, None), 64))
    labels[::10] = (labels[::10] + 1) % CLASSES
    np.savez(path, x=rows, label=labels)
    return path
