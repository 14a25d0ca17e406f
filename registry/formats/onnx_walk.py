"""Every tensor and operation of an ONNX file that somebody else made, wherever they stand.

The bytes are walked and never parsed as a whole. A suspect is never loaded, so nothing in it has
to be allowed: constants inside of operations count like weights of the graph.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from registry import errors
from registry.formats import onnx_tensors, wire
from registry.formats.model import Model
from registry.formats.quantised import MAX_NAME, MAX_TENSORS, Given, Stored
from registry.formats.refusal import unsafe

# onnx.proto: GraphProto, NodeProto, AttributeProto and TensorProto, numbers of fields.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_TENSOR = 7, 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_ATTRIBUTE = 1, 2, 4, 5
_RAW, _EXTERNAL = 9, 1
_LISTS = {"float32": 4, "float64": 10}
_DTYPES: Mapping[int, str] = {
    1: "float32", 2: "uint8", 3: "int8", 6: "int32", 10: "float16", 11: "float64",
    16: "bfloat16", 21: "uint4", 22: "int4",
}  # fmt: skip
_DEPTH = 64
_NODES = 500_000
FIX = "if it opens elsewhere, save it again with onnx.save_model and try that file"


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor: where its numbers are if they can be pointed at, and its whole message."""

    dtype: str
    shape: tuple[int, ...]
    stored: Stored | None
    at: int
    size: int


@dataclass(slots=True)
class Node:
    """An operation, as far as it tells how weights are meant."""

    kind: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    integers: dict[str, int] = field(default_factory=dict)
    tensors: list[tuple[int, int]] = field(default_factory=list)
    graphs: list[tuple[int, int]] = field(default_factory=list)

    def input(self, at: int) -> str:
        return self.inputs[at] if 0 <= at < len(self.inputs) else ""


@dataclass(slots=True)
class _Said:
    """A TensorProto: its shape, its numbers and the places of what has a length, by field."""

    dims: list[int] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    ranges: dict[int, tuple[int, int]] = field(default_factory=dict)


class Walk:
    """`run` fills `held`, by name, and `nodes`; raises UnsafeModel, or wire.Broken."""

    def __init__(self, asked: Model) -> None:
        self.held: dict[str, Held] = {}
        self.nodes: list[Node] = []
        self._path = asked.head.path
        self._data = asked.head.message()
        self._weights = onnx_tensors.Weights(asked.head.path, asked.sizes)

    def run(self) -> None:
        """Go through the graph, and those within."""
        waiting = [(one.at, one.value, 0) for one in self._fields(0, len(self._data), _MODEL_GRAPH)]
        while waiting:
            at, size, depth = waiting.pop()
            for one in self._fields(at, size, _GRAPH_NODE, _GRAPH_TENSOR):
                if one.number == _GRAPH_TENSOR:
                    self._tensor(one.at, one.value, "")
                    continue
                node = self._node(one.at, one.value)
                for place in node.tensors:
                    self._tensor(*place, node.outputs[0] if node.outputs else "")
                waiting += [(*place, depth + 1) for place in node.graphs]
            if depth > _DEPTH or len(self.nodes) > _NODES or len(self.held) > MAX_TENSORS:
                raise unsafe(self._path, "it has too many tensors or graphs in graphs", fix=FIX)

    def numbers(self, name: str, *, room: int) -> Given | None:
        """The values of a small tensor in the head, at most `room` of them."""
        held = self.held.get(name)
        if held is None or prod(held.shape) > room:
            return None
        values = onnx_tensors.values(bytes(self._data[held.at : held.at + held.size]))
        if values is None or not np.isfinite(values).all() or not values.size:
            return None
        return Given(tuple(values.tolist()))

    def _node(self, at: int, size: int) -> Node:
        node = Node()
        for one in self._fields(at, size, _NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_ATTRIBUTE):
            match one.number:
                case 1:
                    node.inputs.append(self._text(one.at, one.value))
                case 2:
                    node.outputs.append(self._text(one.at, one.value))
                case 4:
                    node.kind = self._text(one.at, one.value)
                case _:
                    self._attribute(node, one.at, one.value)
        self.nodes.append(node)
        return node

    def _attribute(self, node: Node, at: int, size: int) -> None:
        name, number = "", None
        for one in wire.fields(self._data[at : at + size]):
            place = (at + one.at, one.value)
            match one.number, one.wire_type:
                case (1, wire.LENGTH):
                    name = self._text(*place)
                case (3, wire.VARINT):
                    number = one.value - (1 << 64) if one.value >> 63 else one.value
                case (5, wire.LENGTH):
                    node.tensors.append(place)
                case (6 | 11, wire.LENGTH):
                    node.graphs.append(place)
        if number is not None:
            node.integers[name] = number

    def _tensor(self, at: int, size: int, called: str) -> None:
        """Under its own name, or that of the constant's output; the first of a name counts."""
        said = self._message(at, size)
        name = called or self._text(*said.ranges.get(8, (0, 0)))
        dtype, shape = _DTYPES.get(said.numbers.get(2, 0), ""), tuple(said.dims)
        is_sound = dtype and 0 < len(name) <= MAX_NAME and all(0 < n < 1 << 40 for n in shape)
        if is_sound:
            stored = self._stored(dtype, shape, said, self._data[at : at + size])
            self.held.setdefault(name, Held(dtype, shape, stored, at, size))

    def _stored(
        self, dtype: str, shape: tuple[int, ...], said: _Said, message: memoryview
    ) -> Stored | None:
        if said.numbers.get(14) == _EXTERNAL:
            return self._external(dtype, shape, bytes(message))
        place = said.ranges.get(_RAW) or said.ranges.get(_LISTS.get(dtype, -1))
        if place is None:
            return None
        stored = Stored(self._path, place[0], dtype, shape)
        return stored if stored.size == place[1] else None

    def _message(self, at: int, size: int) -> _Said:
        said = _Said()
        for one in wire.fields(self._data[at : at + size]):
            if one.wire_type == wire.VARINT and one.number == 1:
                said.dims.append(one.value)
            elif one.wire_type == wire.VARINT:
                said.numbers[one.number] = one.value
            elif one.wire_type == wire.LENGTH and one.number == 1:
                said.dims += wire.varints(self._data[at + one.at : at + one.at + one.value])
            elif one.wire_type == wire.LENGTH:
                said.ranges[one.number] = (at + one.at, one.value)
        return said

    def _external(self, dtype: str, shape: tuple[int, ...], message: bytes) -> Stored | None:
        """None where it lies in no file that was sent: the others may still tell enough."""
        try:
            path, offset, _ = self._weights.external(message)
        except errors.UnsafeModel:
            return None
        return Stored(path, offset, dtype, shape)

    def _fields(self, at: int, size: int, *wanted: int) -> Iterator[wire.Field]:
        """Those of `wanted` that have a length; `at` counts from the start of the file."""
        for one in wire.fields(self._data[at : at + size]):
            if one.wire_type == wire.LENGTH and one.number in wanted:
                yield wire.Field(one.number, one.wire_type, one.value, at + one.at)

    def _text(self, at: int, size: int) -> str:
        return bytes(self._data[at : at + min(size, 4 * MAX_NAME)]).decode(errors="replace")
