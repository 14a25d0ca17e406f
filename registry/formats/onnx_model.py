"""ONNX: parsed, walked, checked by onnx.checker, its inputs and outputs read. Never loaded."""

from collections.abc import Iterator, Mapping
from typing import Any

import onnx
import onnx.checker
import onnx.defs
from google.protobuf.message import DecodeError

from registry.core.canonical import Json
from registry.core.tensors import DTYPES, Signature, Tensor
from registry.formats.model import Found, Model
from registry.formats.onnx_graph import Walk
from registry.formats.onnx_tensors import Weights
from registry.formats.refusal import unsafe

_DTYPES: Mapping[int, str] = {
    value: {"float": "float32", "double": "float64"}.get(name.lower(), name.lower())
    for name, value in onnx.TensorProto.DataType.items()
    if {"float": "float32", "double": "float64"}.get(name.lower(), name.lower()) in DTYPES
}
_AGAIN = "export the model to ONNX again and push that file"
# The first question makes ONNX's table of operations, 10 ms that each child would take again.
onnx.defs.has("Identity")


def inspect(asked: Model) -> Found:
    """What the head says, and the files its weights lie in; raises UnsafeModel."""
    head = asked.head.path
    model = onnx.ModelProto()
    try:
        model.ParseFromString(asked.head.message())
    except DecodeError as error:
        raise unsafe(
            head, "the file is damaged: its protobuf cannot be read", fix=_AGAIN
        ) from error
    if model.training_info:
        raise unsafe(head, "it holds a training graph", fix="export the model for inference")
    weights = Weights(head, asked.sizes)
    walk = Walk(head, model, weights)
    walk.run()
    detail: dict[str, Json] = {
        "irVersion": model.ir_version,
        "opsets": {item.domain or "ai.onnx": item.version for item in model.opset_import},
        "operations": walk.nodes,
        "producer": f"{model.producer_name} {model.producer_version}".strip()[:200],
    }
    signature = _signature(model.graph, head)
    _check_schema(model, head)
    return Found(signature, detail, frozenset({head, *weights.files}))


def _check_schema(model: Any, head: str) -> None:
    """onnx.checker on the model without its weights, which were checked and may be gigabytes."""
    for tensor in _initializers(model.graph):
        name, data_type = tensor.name, tensor.data_type
        tensor.Clear()
        tensor.name, tensor.data_type = name, data_type
        tensor.dims.append(0)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        reason = " ".join(str(error).split())[:300]
        raise unsafe(head, f"onnx.checker refuses it: {reason}", fix=_AGAIN) from error


def _initializers(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _initializers(attribute.g)
            for inner in attribute.graphs:
                yield from _initializers(inner)


def _signature(graph: Any, head: str) -> Signature:
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {sparse.values.name for sparse in graph.sparse_initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    if not inputs or not graph.output:
        missing = "output" if inputs else "input"
        raise unsafe(head, f"it has no {missing}", fix="export a model that can be asked something")
    return Signature(
        tuple(_tensor(value, "input", head) for value in inputs),
        tuple(_tensor(value, "output", head) for value in graph.output),
    )


def _tensor(value: Any, role: str, head: str) -> Tensor:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise unsafe(
            head,
            f"{role} {value.name[:80]!r} is a {(kind or 'nothing').removesuffix('_type')}, "
            "not a tensor",
            fix="export it with tensors only (skl2onnx: options={'zipmap': False})",
        )
    tensor = value.type.tensor_type
    dtype = _DTYPES.get(tensor.elem_type)
    if dtype is None:
        raise unsafe(
            head,
            f"{role} {value.name[:80]!r} has a data type that cannot be served "
            f"(number {tensor.elem_type})",
            fix=f"export it with one of: {', '.join(sorted(DTYPES))}",
        )
    if not tensor.HasField("shape"):
        return Tensor(value.name, dtype, None)
    return Tensor(value.name, dtype, tuple(_dimension(size) for size in tensor.shape.dim))


def _dimension(dimension: Any) -> int | None:
    """Exporters also write a free dimension as 0 or -1."""
    if dimension.WhichOneof("value") == "dim_value" and dimension.dim_value > 0:
        return int(dimension.dim_value)
    return None
