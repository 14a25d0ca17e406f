"""An ONNX graph as a network of PyTorch that learns, written back into the very same graph.

Weights keep their names and places, so that what was true of the file before (its inputs, outputs,
names of nodes) is true of it after. Operators outside of a list are refused by name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import helper, numpy_helper
from torch.nn import functional

from registry.errors import Unsupported
from registry.making.optimising import layers
from registry.making.optimising.learning.moving import MOVING
from registry.making.optimising.learning.operators import OPERATORS
from registry.making.optimising.samples import Array

_KNOWN = {**OPERATORS, **MOVING}
_NORM = "BatchNormalization"
_MOMENTUM = 0.1  # of the newest batch, as PyTorch's
_OLDEST = 13  # before it, Softmax flattened its input


class Network(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not type-checked
    """`weights` are the initializers that learn, by name; the others stay as they are.

    Raises Unsupported for an operator, a domain or an opset that cannot learn here.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._model = layers.load(path)
        graph = self._model.graph
        _require_known(self._model)
        self.inputs = [
            one.name for one in graph.input if one.name not in {i.name for i in graph.initializer}
        ]
        self.outputs = [one.name for one in graph.output]
        self._fixed, self.weights = dict[str, Any](), dict[str, Any]()
        statistics = {name for node in graph.node if node.op_type == _NORM
                      for name in node.input[3:5]}  # fmt: skip
        learns = {name for node in graph.node if node.op_type != "Reshape" for name in node.input}
        for tensor in graph.initializer:
            value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            is_weight = value.dtype in {torch.float32, torch.float64} and value.dim() > 0
            if is_weight and tensor.name in learns - statistics:
                self.weights[tensor.name] = torch.nn.Parameter(value)
                self.register_parameter(f"weight_{len(self.weights)}", self.weights[tensor.name])
            else:
                self._fixed[tensor.name] = value
        self._nodes = [(node, _attributes(node)) for node in graph.node]

    def forward(
        self, given: Mapping[str, Any], wanted: Sequence[str],
        changed: Mapping[str, Any] | None = None,
    ) -> list[Any]:  # fmt: skip
        """The tensors `wanted`, by name; `changed` stand in for weights, masked or gated."""
        known = {**self._fixed, **self.weights, **(changed or {}), **given}
        for node, said in self._nodes:
            inputs = [known[name] if name else None for name in node.input]
            if node.op_type == _NORM:
                found = self._normed(said, inputs)
            else:
                found = _KNOWN[node.op_type](said, inputs)
            known[node.output[0]] = found
        return [known[name] for name in wanted]

    def _normed(self, said: Mapping[str, Any], inputs: list[Any]) -> Any:
        x, scale, bias, mean, variance = inputs
        return functional.batch_norm(
            x, mean, variance, scale, bias, training=self.training, momentum=_MOMENTUM,
            eps=said.get("epsilon", 1e-5),
        )  # fmt: skip

    def values(self) -> dict[str, Array]:
        """All that is learnt, and the statistics of norms, by name."""
        found = {name: one.detach().numpy() for name, one in self.weights.items()}
        norms = [node for node, _ in self._nodes if node.op_type == _NORM]
        names = [name for node in norms for name in node.input[3:5]]
        return found | {name: self._fixed[name].numpy() for name in names}

    def write(self, target: Path, instead: Mapping[str, Array] | None = None) -> None:
        """The same graph with what was learnt, `instead` for some."""
        values = self.values() | dict(instead or {})
        for tensor in self._model.graph.initializer:
            if tensor.name in values:
                found = np.ascontiguousarray(values[tensor.name])
                tensor.CopyFrom(numpy_helper.from_array(found, tensor.name))
        layers.save(self._model, target)


def require_tensor(path: Path, name: str) -> str:
    """The tensor that a person names by itself or by its node; raises Unsupported."""
    for node in layers.load(path).graph.node:
        if name in node.output:
            return name
        if name == node.name:
            return str(node.output[0])
    raise Unsupported(
        f"there is no tensor or node {name!r} to take features of",
        fix="name an output of a node; `report.json` and Netron show them",
    )


def _require_known(model: Any) -> None:
    opset = next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)
    if opset < _OLDEST:
        raise Unsupported(
            f"it is of opset {opset}, and learns from {_OLDEST} on",
            fix="export it with a newer opset",
        )
    for node in model.graph.node:
        known = node.op_type in _KNOWN or node.op_type == _NORM
        if not known or node.domain not in {"", "ai.onnx"}:
            raise Unsupported(
                f"{node.name or node.output[0]}: {node.op_type} cannot learn here",
                fix="let it learn before it is quantised or fused; docs/optimise.md lists what can",
            )
        if len([name for name in node.output if name]) > 1:
            raise Unsupported(f"{node.name}: {node.op_type} with several outputs cannot learn here")


def _attributes(node: Any) -> dict[str, Any]:
    found = {}
    for one in node.attribute:
        value = helper.get_attribute_value(one)
        if isinstance(value, bytes):
            value = value.decode()
        elif hasattr(value, "raw_data"):
            value = torch.from_numpy(numpy_helper.to_array(value).copy())
        elif node.op_type == "Constant":
            value = torch.tensor(value)
        found[one.name] = value
    return found
