"""Where the weights of an ONNX model lie: in its graphs' initializers and external data files.

The file is walked as bytes, never parsed as a whole, so memory does not grow with it. What a
writer of protobuf never does, and readers could take in two ways, is refused. Floats that stand
in their file as varints (float16 outside of raw_data) cannot be marked in place and are left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Never

from registry.formats import carriers, onnx_graph, onnx_tensors, wire
from registry.formats.carriers import Claim
from registry.formats.model import Model
from registry.formats.refusal import unsafe
from registry.formats.weights import WIDTHS, WeightMap

MAX_INITIALIZERS = 200_000
# onnx.proto: numbers of fields, and TensorProto.DataType.
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_INITIALIZER, _NODE_ATTRIBUTE = 7, 1, 5, 5
_ATTRIBUTE_GRAPHS = {6, 11}
_TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _LOCATION = 2, 4, 8, 9, 10, 14
_DTYPES: Mapping[int, str] = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
_EXTERNAL = 1
_AGAIN = "export the model again with onnx.save_model"


@dataclass(slots=True)
class _Tensor:
    """A TensorProto; ranges are bytes of the file."""

    dims: list[int] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    ranges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)


def find(asked: Model) -> WeightMap:
    """Raises UnsafeModel, naming the tensor and what to do."""
    head = asked.head
    walk = _Walk(head.path, head.message(), onnx_tensors.Weights(head.path, asked.sizes))
    try:
        return WeightMap(carriers.runs(walk.claims()))
    except wire.Broken as broken:
        raise unsafe(head.path, f"the file is damaged: {broken}", fix=_AGAIN) from broken


class _Walk:
    def __init__(self, head: str, data: memoryview, weights: onnx_tensors.Weights) -> None:
        self._head = head
        self._data = data
        self._weights = weights
        self._graphs = 0
        self._names: set[str] = set()

    def claims(self) -> Iterator[Claim]:
        """Of the graph and those inside it."""
        graphs = [f for f in wire.fields(self._data) if f.number == _MODEL_GRAPH]
        if len(graphs) != 1:
            self._refuse(f"it holds {len(graphs)} graphs")
        yield from self._graph(graphs[0].at, graphs[0].value, depth=0)

    def _graph(self, at: int, size: int, *, depth: int) -> Iterator[Claim]:
        if depth > onnx_graph.MAX_DEPTH:
            self._refuse(f"branches or loops nest deeper than {onnx_graph.MAX_DEPTH}")
        # Names are unique in one graph only; the outermost graph's are as they are.
        prefix = f"#{self._graphs}/" if self._graphs else ""
        self._graphs += 1
        inner: list[tuple[int, int]] = []
        for one in self._messages(at, size):
            if one.number == _GRAPH_INITIALIZER:
                yield from self._initializer(one.at, one.value, prefix)
            elif one.number == _GRAPH_NODE:
                inner.extend(self._graphs_of(one.at, one.value))
        for place in inner:
            yield from self._graph(*place, depth=depth + 1)

    def _graphs_of(self, at: int, size: int) -> Iterator[tuple[int, int]]:
        for attribute in self._messages(at, size):
            if attribute.number == _NODE_ATTRIBUTE:
                for one in self._messages(attribute.at, attribute.value):
                    if one.number in _ATTRIBUTE_GRAPHS:
                        yield one.at, one.value

    def _messages(self, at: int, size: int) -> Iterator[wire.Field]:
        """Fields with a length, `at` counted from the start of the file."""
        for one in wire.fields(self._data[at : at + size]):
            if one.wire_type == wire.LENGTH:
                yield wire.Field(one.number, one.wire_type, one.value, at + one.at)

    def _initializer(self, at: int, size: int, prefix: str) -> Iterator[Claim]:
        tensor = self._tensor(at, size)
        name = prefix + self._name(tensor)
        if name in self._names or len(self._names) >= MAX_INITIALIZERS:
            self._refuse(f"two weights are called {name[:80]!r}, or there are too many")
        self._names.add(name)
        number, shape = tensor.numbers.get(_TYPE, 0), tuple(tensor.dims)
        dtype = _DTYPES.get(number, f"type {number}")
        if tensor.numbers.get(_LOCATION) == _EXTERNAL:
            if tensor.ranges.keys() - {_NAME}:
                self._refuse(f"tensor {name[:80]!r} holds data both here and elsewhere")
            yield self._external(name, dtype, shape, self._data[at : at + size])
        elif dtype in WIDTHS:
            yield from self._inline(name, dtype, shape, tensor)

    def _external(
        self, name: str, dtype: str, shape: tuple[int, ...], message: memoryview
    ) -> Claim:
        path, offset, length = self._weights.external(bytes(message))
        if path == self._head:
            self._refuse(f"tensor {name[:80]!r}: its external data is this file itself")
        return Claim(name, dtype, shape, path, offset, offset + length)

    def _inline(
        self, name: str, dtype: str, shape: tuple[int, ...], tensor: _Tensor
    ) -> Iterator[Claim]:
        listed = {"float32": _FLOATS, "float64": _DOUBLES}.get(dtype)
        raw, packed = tensor.ranges.get(_RAW, []), tensor.ranges.get(listed or 0, [])
        if raw and packed:
            self._refuse(f"tensor {name[:80]!r} holds its data twice")
        if not raw and listed is None:
            return
        width, start = WIDTHS[dtype], 0
        for begin, end in raw or packed:
            yield Claim(name, dtype, shape, self._head, begin, end, start)
            start += (end - begin) // width
            if (end - begin) % width:
                self._refuse(f"tensor {name[:80]!r} holds half a number")
        if start != prod(shape):
            self._refuse(f"tensor {name[:80]!r}: {start} numbers for shape {list(shape)[:8]}")

    def _tensor(self, at: int, size: int) -> _Tensor:
        found = _Tensor()
        for one in wire.fields(self._data[at : at + size]):
            match one.number, one.wire_type:
                case (1, wire.VARINT):
                    found.dims.append(one.value)
                case (1, wire.LENGTH):
                    found.dims.extend(wire.varints(self._data[at + one.at :][: one.value]))
                case (2 | 14, wire.VARINT) if one.number not in found.numbers:
                    found.numbers[one.number] = one.value
                case (4 | 8 | 9 | 10, wire.LENGTH):
                    place = at + one.at
                    found.ranges.setdefault(one.number, []).append((place, place + one.value))
                case (1 | 2 | 4 | 8 | 9 | 10 | 14, _):
                    self._refuse("a tensor is written in a way that no exporter does")
        self._require_once(found)
        return found

    def _require_once(self, found: _Tensor) -> None:
        if any(len(found.ranges.get(number, [])) > 1 for number in (_NAME, _RAW)):
            self._refuse("a tensor has two names or holds its data twice")
        if any(dimension >= 1 << 62 for dimension in found.dims):
            self._refuse("a tensor has an impossible shape")

    def _name(self, tensor: _Tensor) -> str:
        ranges = tensor.ranges.get(_NAME, [])
        start, stop = ranges[0] if ranges else (0, 0)
        try:
            name = bytes(self._data[start:stop]).decode()
        except UnicodeDecodeError:
            self._refuse("a tensor's name is not UTF-8")
        if not name:
            self._refuse("a tensor has no name")
        return name

    def _refuse(self, what: str) -> Never:
        raise unsafe(self._head, what, fix=_AGAIN)
