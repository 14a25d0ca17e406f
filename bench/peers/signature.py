"""The inputs and outputs of an ONNX file, as model servers want to be told them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

_TYPES = {
    onnx.TensorProto.FLOAT: "FP32",
    onnx.TensorProto.INT64: "INT64",
    onnx.TensorProto.INT32: "INT32",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One input or output; the free sizes of `shape` are -1."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def read(file: Path) -> tuple[list[Part], list[Part]]:
    """Inputs and outputs of `file`."""
    graph = onnx.load(file, load_external_data=False).graph
    weights = {one.name for one in graph.initializer}
    return [_part(one) for one in graph.input if one.name not in weights], [
        _part(one) for one in graph.output
    ]


def _part(info: Any) -> Part:
    tensor = info.type.tensor_type
    sizes = (dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return Part(info.name, _TYPES[tensor.elem_type], tuple(sizes))
