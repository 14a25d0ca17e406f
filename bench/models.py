"""Small models to publish: the demo's task, trained here in seconds; nothing is downloaded."""

import os
import subprocess
import sys
from pathlib import Path

import onnx as onnx_format

from deploy.demo import models

ROOT = Path(__file__).resolve().parents[1]
INPUT = [float(number % 17) for number in range(64)]  # one picture, grey values 0..16


def onnx(folder: Path, *, seed: int) -> Path:
    """The folder of an ONNX classifier; each seed gives another one."""
    target = folder / f"onnx-{seed}"
    images, _, labels, _ = models.splits()
    models.train_onnx(images, labels, target, seed=seed)
    return target


def described(source: Path, target: Path, text: str) -> Path:
    """The folder `target` with the ONNX model of `source`, other bytes for its description."""
    model = onnx_format.load(source / "model.onnx")
    model.doc_string = text
    target.mkdir()
    onnx_format.save(model, target / "model.onnx")
    return target


def sharded(target: Path, *, files: int) -> Path:
    """The folder `target` with an ONNX model of random weights, 1 MiB in each of `files` files."""
    make, width = onnx_format.helper, 512
    shape = (onnx_format.TensorProto.FLOAT, [None, width])
    graph = make.make_graph(
        [make.make_node("MatMul", [f"x{n}", f"w{n}"], [f"x{n + 1}"]) for n in range(files)],
        "sharded",
        [make.make_tensor_value_info("x0", *shape)],
        [make.make_tensor_value_info(f"x{files}", *shape)],
    )
    target.mkdir()
    for number in range(files):
        (target / f"weights-{number:03d}.bin").write_bytes(os.urandom(4 * width * width))
        weights = graph.initializer.add(name=f"w{number}", data_type=shape[0], dims=(width, width))
        weights.data_location = onnx_format.TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=f"weights-{number:03d}.bin")
    opsets = [make.make_opsetid("", 18)]
    onnx_format.save(
        make.make_model(graph, opset_imports=opsets, ir_version=9), target / "model.onnx"
    )
    return target


def saved_model(folder: Path) -> Path:
    """The folder of a TensorFlow SavedModel of the same task.

    Trained in a process of its own, since TensorFlow would stay in this one's memory.
    """
    target = folder / "saved-model"
    program = (
        "import pathlib, sys; from deploy.demo import models; "
        "images, _, labels, _ = models.splits(); "
        "models.train_saved_model(images, labels, pathlib.Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return target


def with_weights(size: int, *, seed: int) -> bytes:
    """An ONNX model of which `size` bytes of weights lie beside it, in weights.bin."""
    name = f"weights{seed}"
    make, proto = onnx_format.helper, onnx_format.TensorProto
    weights = proto(name=name, data_type=proto.FLOAT, dims=[size // 4])
    weights.data_location = proto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(size))):
        weights.external_data.add(key=key, value=value)
    x = make.make_tensor_value_info("x", proto.FLOAT, [None])
    y = make.make_tensor_value_info("y", proto.FLOAT, [None])
    nodes = [
        make.make_node("ReduceSum", [name], ["sum"], keepdims=0),
        make.make_node("Add", ["x", "sum"], ["y"]),
    ]
    graph = make.make_graph(nodes, "weights", [x], [y], [weights])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())
