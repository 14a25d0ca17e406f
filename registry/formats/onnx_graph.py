"""Walks an ONNX graph, its subgraphs and its functions: only allowed operations, bounded size.

What is walked is the parsed protobuf. The limits are far above honest models and far below
what makes a loader work for hours (ONNX Runtime unrolls functions and nested branches).
"""

from collections.abc import Iterable
from typing import Any

from registry.formats import onnx_ops
from registry.formats.onnx_tensors import Weights
from registry.formats.refusal import unsafe

MAX_DEPTH = 8
MAX_NODES = 200_000
MAX_UNROLLED = 1_000_000

FunctionKey = tuple[str, str, str]


class Walk:
    """One walk over one model; `nodes` counts what it has seen."""

    def __init__(self, head: str, model: Any, weights: Weights) -> None:
        self.nodes = 0
        self._head = head
        self._model = model
        self._weights = weights
        self._functions: dict[FunctionKey, Any] = {
            (function.domain, function.name, function.overload): function
            for function in model.functions
        }
        self._unrolled: dict[FunctionKey, int] = {}

    def run(self) -> None:
        """Raises UnsafeModel at the first thing that is not allowed."""
        self._check_domains()
        total = self._graph(self._model.graph, depth=0)
        for function in self._model.functions:
            for attribute in function.attribute_proto:
                self._attribute(attribute, depth=1)
            self._nodes(function.node, depth=1)
        total += sum(self._unroll(node, ()) for node in _all_nodes(self._model.graph))
        if total > MAX_UNROLLED:
            raise self._too_much(f"its functions unroll to {total} operations")

    def _check_domains(self) -> None:
        own = {domain for domain, _, _ in self._functions}
        for imported in self._model.opset_import:
            if imported.domain not in onnx_ops.STANDARD_DOMAINS | own | {onnx_ops.MICROSOFT}:
                raise unsafe(
                    self._head,
                    f"operations of domain {imported.domain[:80]!r} are not allowed",
                    fix="export the model with standard ONNX operations only",
                )

    def _graph(self, graph: Any, *, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise unsafe(
                self._head,
                f"branches or loops nest deeper than {MAX_DEPTH}",
                fix="export the model with fewer nested If, Loop and Scan operations",
            )
        for tensor in graph.initializer:
            self._weights.check_initializer(tensor)
        for sparse in graph.sparse_initializer:
            self._weights.check_inline(sparse.values)
            self._weights.check_inline(sparse.indices)
        return self._nodes(graph.node, depth=depth)

    def _nodes(self, nodes: Iterable[Any], *, depth: int) -> int:
        before = self.nodes
        for node in nodes:
            self.nodes += 1
            if self.nodes > MAX_NODES:
                raise self._too_much(f"it has more than {MAX_NODES} operations")
            self._check_operation(node)
            for attribute in node.attribute:
                self._attribute(attribute, depth=depth + 1)
        return self.nodes - before

    def _check_operation(self, node: Any) -> None:
        if node.domain in onnx_ops.STANDARD_DOMAINS or _key(node) in self._functions:
            return
        if node.domain == onnx_ops.MICROSOFT and node.op_type in onnx_ops.MICROSOFT_OPS:
            return
        raise unsafe(
            self._head,
            f"operation {node.domain[:80]}.{node.op_type[:80]} "
            f"(node {node.name[:80]!r}) is not allowed",
            fix="export the model with standard ONNX operations only",
        )

    def _attribute(self, attribute: Any, *, depth: int) -> None:
        if attribute.HasField("t"):
            self._weights.check_inline(attribute.t)
        if attribute.HasField("g"):
            self._graph(attribute.g, depth=depth)
        if attribute.HasField("sparse_tensor"):
            self._weights.check_inline(attribute.sparse_tensor.values)
            self._weights.check_inline(attribute.sparse_tensor.indices)
        for tensor in attribute.tensors:
            self._weights.check_inline(tensor)
        for sparse in attribute.sparse_tensors:
            self._weights.check_inline(sparse.values)
            self._weights.check_inline(sparse.indices)
        for graph in attribute.graphs:
            self._graph(graph, depth=depth)

    def _unroll(self, node: Any, callers: tuple[FunctionKey, ...]) -> int:
        """Operations that one call of `node` becomes; 0 for an operation that is no function."""
        key = _key(node)
        if key not in self._functions:
            return 0
        if key in callers or len(callers) > 8 * MAX_DEPTH:
            raise unsafe(
                self._head,
                f"function {key[1][:80]!r} calls itself or nests too deep",
                fix="export the model without recursive functions",
            )
        if key not in self._unrolled:
            inner = list(_nodes_below(self._functions[key].node))
            calls = sum(self._unroll(child, (*callers, key)) for child in inner)
            self._unrolled[key] = len(inner) + calls
        return self._unrolled[key]

    def _too_much(self, what: str) -> Exception:
        return unsafe(self._head, what, fix="export a smaller or simplified graph")


def _key(node: Any) -> FunctionKey:
    return node.domain, node.op_type, node.overload


def _all_nodes(graph: Any) -> Iterable[Any]:
    return _nodes_below(graph.node)


def _nodes_below(nodes: Iterable[Any]) -> Iterable[Any]:
    """The nodes and those of their subgraphs; depth was checked before."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes_below(attribute.g.node)
            for graph in attribute.graphs:
                yield from _nodes_below(graph.node)
