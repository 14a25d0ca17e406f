"""Which operations a SavedModel would run, and whether each is allowed where it stands.

Three circles. *Serving*: all that signatures, initialisers and the objects in the file can
reach: SERVING operations only. *Restoring*: what a loader runs to fill variables: RestoreV2 too.
*The rest* is never run by serving; only there may a SavedModel hold what writes checkpoints.
A function that is in several circles is judged by the strictest.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from registry.formats import saved_model_ops
from registry.formats.refusal import unsafe

MAX_OPERATIONS = 500_000
MAX_CONSTANT_ELEMENTS = 1 << 28
_FIX = "export the model for inference, without operations that touch files, code or the network"


@dataclass(frozen=True, slots=True)
class Graph:
    """A MetaGraphDef with its nodes and functions by name; `head` names the file in errors."""

    meta: Any
    head: str
    nodes: Mapping[str, Any]
    functions: Mapping[str, Any]


def index(meta: Any, head: str) -> Graph:
    """Raises UnsafeModel where a name is there twice: loaders disagree on which one counts."""
    nodes = {node.name: node for node in meta.graph_def.node}
    listed = meta.graph_def.library.function
    functions = {function.signature.name: function for function in listed}
    if len(nodes) != len(meta.graph_def.node) or len(functions) != len(listed):
        raise unsafe(head, "two operations or functions have one name", fix=_FIX)
    return Graph(meta, head, nodes, functions)


def check(graph: Graph) -> int:
    """The number of operations; raises UnsafeModel for the first that is not allowed."""
    total = len(graph.nodes) + sum(len(found.node_def) for found in graph.functions.values())
    if total > MAX_OPERATIONS:
        raise unsafe(graph.head, f"it has {total} operations, over {MAX_OPERATIONS}", fix=_FIX)
    serving = _closure(_serving_roots(graph), lambda name: _producers(graph, name))
    restoring = _closure([_node_name(graph.meta.saver_def.restore_op_name)],
                         lambda name: _producers(graph, name))  # fmt: skip
    serving_calls = _reached(graph, serving, also=_object_functions(graph))
    restoring_calls = _reached(graph, restoring, also=())
    for name, node in graph.nodes.items():
        _check_operation(graph, node, _allowed(name, serving, restoring), where="graph")
    for name, function in graph.functions.items():
        allowed = _allowed(name, serving_calls, restoring_calls)
        for node in function.node_def:
            _check_operation(graph, node, allowed, where=f"function {name[:80]}")
    return total


def _allowed(name: str, serving: set[str], restoring: set[str]) -> frozenset[str]:
    if name in serving:
        return saved_model_ops.SERVING
    return saved_model_ops.RESTORING if name in restoring else saved_model_ops.SAVING


def _check_operation(graph: Graph, node: Any, allowed: frozenset[str], *, where: str) -> None:
    if node.op in graph.functions:
        return
    if node.op not in allowed:
        raise unsafe(
            graph.head,
            f"operation {node.op[:80]} ({node.name[:80]!r} in {where}) is not allowed",
            fix=_fix(node.op),
        )
    if node.op == "Const":
        # A constant's one value may stand for a shape of any size: a memory bomb of few bytes.
        shape = [size.size for size in node.attr["value"].tensor.tensor_shape.dim]
        if any(size < 0 for size in shape) or prod(shape) > MAX_CONSTANT_ELEMENTS:
            raise unsafe(
                graph.head,
                f"constant {node.name[:80]!r} in {where} declares {prod(shape)} elements",
                fix="keep large weights in variables",
            )


def _fix(operation: str) -> str:
    if operation.startswith("InitializeTableFromTextFile"):
        return "keep the vocabulary in the graph: tf.lookup.KeyValueTensorInitializer"
    return _FIX


def _serving_roots(graph: Graph) -> Iterable[str]:
    for signature in graph.meta.signature_def.values():
        for info in signature.outputs.values():
            yield _node_name(info.name)
            yield _node_name(info.coo_sparse.values_tensor_name)
            yield _node_name(info.coo_sparse.indices_tensor_name)
            yield from (_node_name(part.name) for part in info.composite_tensor.components)
    for key, collection in graph.meta.collection_def.items():
        if key != "saved_model_assets":
            yield from (_node_name(name) for name in collection.node_list.value)


def _object_functions(graph: Graph) -> Iterable[str]:
    """Functions a Python loader can call by attribute: initialisers, destroyers, methods."""
    objects = graph.meta.object_graph_def
    yield from objects.concrete_functions
    for node in objects.nodes:
        yield from node.function.concrete_functions
        yield node.bare_concrete_function.concrete_function_name
    for gradient in graph.meta.graph_def.library.gradient:
        yield gradient.gradient_func
    for registered in graph.meta.graph_def.library.registered_gradients:
        yield registered.gradient_func


def _reached(graph: Graph, nodes: set[str], *, also: Iterable[str]) -> set[str]:
    """Names of the functions that these nodes call, at any depth."""
    called = [name for found in nodes if found in graph.nodes
              for name in _calls(graph, graph.nodes[found])]  # fmt: skip
    starts = [*called, *(name for name in also if name in graph.functions)]
    return _closure(
        starts,
        lambda name: [
            inner for node in graph.functions[name].node_def for inner in _calls(graph, node)
        ],
    )


def _calls(graph: Graph, node: Any) -> Iterable[str]:
    if node.op in graph.functions:
        yield node.op
    for attribute in node.attr.values():
        for name in (attribute.func.name, *(found.name for found in attribute.list.func)):
            if name in graph.functions:
                yield name


def _producers(graph: Graph, name: str) -> Iterable[str]:
    if name in graph.nodes:
        yield from (_node_name(text) for text in graph.nodes[name].input)


def _node_name(tensor: str) -> str:
    """`^name` is a control dependency on it, `name:1` its second output."""
    return tensor.removeprefix("^").partition(":")[0]


def _closure(starts: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name for name in starts if name]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(neighbours(name))
    return found
