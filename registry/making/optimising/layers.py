"""The layers of an ONNX file that hold weights: where each weight lies, and which way it runs."""

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import numpy_helper

from registry.errors import Unsupported
from registry.making.optimising.samples import Array

# Which input is the weight.
_WEIGHT = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "Gather": 0}
_LIMIT = (1 << 31) - (1 << 20)


@dataclass(frozen=True, slots=True)
class Layer:
    """A node with its weight. `axis_out` is the weight's dimension of what it gives, `axis_in`
    of what it takes; a table's are its rows and columns."""

    node: Any
    weight: str
    shape: tuple[int, ...]
    axis_out: int
    axis_in: int

    @property
    def name(self) -> str:
        """Of the node."""
        return str(self.node.name)

    def is_named(self, globs: Sequence[str]) -> bool:
        """Whether the node's or the weight's name is among them."""
        names = (self.name, self.weight)
        return any(fnmatch.fnmatchcase(name, glob) for name in names for glob in globs)


def load(path: Path) -> Any:
    """The model with all its weights in it; raises Unsupported beyond protobuf's 2 GiB."""
    model = onnx.load(path)
    if model.ByteSize() > _LIMIT:
        raise Unsupported(
            f"the model has {model.ByteSize() >> 20} MiB, which is more than one ONNX file holds",
            fix="optimise its parts",
        )
    return model


def gather(source: Path, target: Path) -> None:
    """One file of it all, in which every node has a name; functions are taken apart."""
    model = load(source)
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    taken = {node.name for node in model.graph.node}
    for number, node in enumerate(model.graph.node):
        if not node.name:
            name = f"{node.op_type}_{number}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
    save(model, target)


def save(model: Any, target: Path) -> None:
    """As one file."""
    target.write_bytes(model.SerializeToString())


def weighted(model: Any) -> Iterator[Layer]:
    """Every layer of the main graph whose weight is a constant of floats, in order."""
    known = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        at = _WEIGHT.get(node.op_type)
        if at is None or node.domain not in {"", "ai.onnx"} or len(node.input) <= at:
            continue
        tensor = known.get(node.input[at])
        is_float = tensor is not None and tensor.data_type in {
            onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE,
        }  # fmt: skip
        if tensor is not None and is_float and len(tensor.dims) >= 2:
            out, into = _axes(node, len(tensor.dims))
            yield Layer(node, tensor.name, tuple(tensor.dims), out, into)


def initializer(model: Any, name: str) -> Array:
    """The values of one, to be read."""
    tensor = next(one for one in model.graph.initializer if one.name == name)
    found: Array = numpy_helper.to_array(tensor)
    return found


def values(model: Any) -> dict[str, Array]:
    """Of all initializers by name, to be read."""
    return {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}


def replace(model: Any, name: str, values: Array) -> None:
    """New values for one, in a shape that may be another."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), name))


def add(model: Any, name: str, values: Array) -> None:
    """A new initializer."""
    model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))


def arrays(path: Path) -> Iterator[Array]:
    """Every initializer's values; those of types that NumPy has not are left out."""
    for tensor in onnx.load(path).graph.initializer:
        found = numpy_helper.to_array(tensor)
        if found.dtype.kind in "biuf":
            yield found


def attribute(node: Any, name: str, default: Any) -> Any:
    """An attribute's value."""
    for one in node.attribute:
        if one.name == name:
            return onnx.helper.get_attribute_value(one)
    return default


def described(path: Path) -> list[str]:
    """A line for each layer, for a person who wants to name one."""
    return [
        f"{one.name} ({one.node.op_type}, weight {one.weight}, "
        f"{'x'.join(str(size) for size in one.shape)})"
        for one in weighted(onnx.load(path))
    ]


def _axes(node: Any, dimensions: int) -> tuple[int, int]:
    match node.op_type:
        case "Conv":
            return 0, 1
        case "ConvTranspose":
            return 1, 0
        case "Gemm":
            return (0, 1) if attribute(node, "transB", 0) else (1, 0)
        case "Gather":
            return 0, 1
        case _:
            return dimensions - 1, dimensions - 2
