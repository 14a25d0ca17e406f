"""A SavedModel out of an ONNX graph: each operation built again from TensorFlow's.

The known converters ask for versions of numpy, protobuf and TensorFlow that are years old (ADR
78). What is not known is refused by name, all of it at once; nothing is approximated.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
from onnx import helper, numpy_helper, version_converter

from registry.core.tensors import Signature
from registry.making.exporting import examples, running
from registry.making.exporting.forms import Form
from registry.making.exporting.operations import (
    arithmetic,
    classical,
    layers,
    recurrent,
    shapes,
)
from registry.making.exporting.operations.node import Node, Operation
from registry.making.refusals import NotConvertible

OPERATIONS: Mapping[str, Operation] = {
    **arithmetic.OPERATIONS,
    **shapes.OPERATIONS,
    **layers.OPERATIONS,
    **recurrent.OPERATIONS,
}
OF_ML: Mapping[str, Operation] = classical.OPERATIONS
_TURN = layers.TURN_WEIGHTS | recurrent.TURN_WEIGHTS
_OLDEST = 13
# What is learnt becomes a variable, which can be marked and is not held twice; small things stay.
_LEARNT = 256


def from_onnx(source: Path, folder: Path) -> None:
    """The graph of the model in `source`; raises NotConvertible."""
    model = _current(onnx.load(str(running.head(Form.ONNX, source))))
    _require_known(model)
    signature = running.opened(Form.ONNX, source).signature
    graph = _Graph(model, signature)
    specs = [tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in signature.inputs]
    function = tf.function(graph.serve, input_signature=specs, autograph=False)
    try:
        # Once on numbers: after this all variables are there, and none is made while tracing.
        graph.serve(*examples.seeded(signature, None).values())
        tf.saved_model.save(
            graph, str(folder), signatures={"serving_default": function.get_concrete_function()}
        )
    except NotConvertible:
        raise
    except Exception as error:
        raise NotConvertible(
            f"the ONNX model cannot be built in TensorFlow: {str(error).splitlines()[0][:300]}",
            fix="serve it as ONNX",
        ) from error


def _current(model: Any) -> Any:
    versions = {one.domain: one.version for one in model.opset_import}
    if versions.get("", _OLDEST) >= _OLDEST:
        return model
    try:
        return version_converter.convert_version(model, _OLDEST)
    except Exception as error:
        raise NotConvertible(
            f"it is written in opset {versions['']} and cannot be brought to {_OLDEST}",
            fix="export it again with a newer opset",
        ) from error


def _require_known(model: Any) -> None:
    unknown = {
        f"{node.domain}.{node.op_type}".lstrip(".")
        for node in model.graph.node
        if _operation(node) is None
    }
    if unknown or len(model.functions):
        named = ", ".join(sorted(unknown)) or "functions of the model's own"
        raise NotConvertible(
            f"nothing of TensorFlow is known here for {named}",
            fix="serve this model as ONNX; what is known: docs/export.md",
        )


def _operation(node: Any) -> Operation | None:
    if node.domain == "ai.onnx.ml":
        return OF_ML.get(node.op_type)
    return OPERATIONS.get(node.op_type) if node.domain in {"", "ai.onnx"} else None


class _Graph(tf.Module):  # type: ignore[misc]
    """The variables, and a function from inputs to outputs."""

    def __init__(self, model: Any, signature: Signature) -> None:
        super().__init__()
        self._nodes = list(model.graph.node)
        self._inputs = [one.name for one in signature.inputs]
        self._outputs = [one.name for one in signature.outputs]
        self._learnt: dict[str, Any] = {}
        self._known = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}

    def serve(self, *given: Any) -> dict[str, Any]:
        """Outputs by name."""
        values = {**self._known, **dict(zip(self._inputs, given, strict=True)), "": None}
        # An input of the graph is a tensor even where it came as numbers.
        values |= {name: tf.convert_to_tensor(values[name]) for name in self._inputs}
        for at, node in enumerate(self._nodes):
            found = self._built(f"{at}", node, [values[name] for name in node.input])
            listed = found if isinstance(found, list | tuple) else [found]
            values |= dict(zip(node.output, listed, strict=False))
        return {
            name: tf.identity(values[name], name="".join(c if c.isalnum() else "_" for c in name))
            for name in self._outputs
        }

    def _built(self, place: str, proto: Any, inputs: list[Any]) -> Any:
        operation = _operation(proto)
        assert operation is not None  # noqa: S101  `_require_known` has seen them all
        node = Node(
            proto.op_type, proto.name or proto.output[0],
            {one.name: helper.get_attribute_value(one) for one in proto.attribute},
            len(proto.output), lambda name, value: self._variable(f"{place}_{name}", value),
        )  # fmt: skip
        if all(one is None or isinstance(one, np.ndarray) for one in inputs):
            return self._computed(operation, node, inputs)
        if proto.op_type not in _TURN:
            inputs = [self._variable(proto.input[at], one) for at, one in enumerate(inputs)]
        return operation(node, *inputs)

    def _computed(self, operation: Operation, node: Node, inputs: list[Any]) -> Any:
        """What hangs on nothing but constants is computed now, and once."""
        with tf.init_scope():
            found = operation(node, *inputs)
            listed = found if isinstance(found, list | tuple) else [found]
            return [np.asarray(one) for one in listed]

    def _variable(self, name: str, value: Any) -> Any:
        """Of numbers that were learnt; a tensor, and what is small, stays what it is."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.size < _LEARNT:
            return value
        if name not in self._learnt:
            with tf.init_scope():
                self._learnt[name] = tf.Variable(value, trainable=False, name="weight")
        return self._learnt[name]
