"""Which operations a SavedModel would run, and whether each is allowed where it stands.

Four circles. *Serving*: all that signatures and the objects in the file can reach: SERVING
operations only. *Initialising*: what a loader runs once, with the paths of assets: tables may be
filled from them (`saved_model_assets`). *Restoring*: what it runs to fill variables: RestoreV2.
*The rest* is never run by serving; only there may a SavedModel hold what writes checkpoints.
A function that is in several circles is judged by the first.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from registry.formats import saved_model_ops
from registry.formats.refusal import unsafe

MAX_OPERATIONS = 500_000
MAX_CONSTANT_ELEMENTS = 1 << 28
INITIALISER = "__saved_model_init_op"
# Run by loaders while they initialise; the last one only by those who ask for it.
_INITIAL_COLLECTIONS = {"saved_model_main_op", "legacy_init_op", "table_initializer"}
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


def check(graph: Graph, initialisers: frozenset[str]) -> int:
    """The number of operations; raises UnsafeModel for the first that is not allowed.

    `initialisers` are the functions that only ever fill tables from assets.
    """
    total = len(graph.nodes) + sum(len(found.node_def) for found in graph.functions.values())
    if total > MAX_OPERATIONS:
        raise unsafe(graph.head, f"it has {total} operations, over {MAX_OPERATIONS}", fix=_FIX)
    circles = [
        (_closure(roots, lambda name: _producers(graph, name)), functions, allowed)
        for roots, functions, allowed in (
            (_serving_roots(graph), set(_object_functions(graph)) - initialisers,
             saved_model_ops.SERVING),
            (_initial_roots(graph), initialisers, saved_model_ops.INITIALISING),
            ([node_name(graph.meta.saver_def.restore_op_name)], (), saved_model_ops.RESTORING),
        )
    ]  # fmt: skip
    for name, node in graph.nodes.items():
        found = [allowed for nodes, _, allowed in circles if name in nodes]
        _check_operation(graph, node, (*found, saved_model_ops.SAVING)[0], where="graph")
    called = [
        (_reached(graph, nodes, also=functions), allowed) for nodes, functions, allowed in circles
    ]
    for name, function in graph.functions.items():
        found = [allowed for names, allowed in called if name in names]
        for node in function.node_def:
            where = f"function {name[:80]}"
            _check_operation(graph, node, (*found, saved_model_ops.SAVING)[0], where=where)
    return total


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
        return "fill tables when the model is loaded and not while it serves"
    return _FIX


def _serving_roots(graph: Graph) -> Iterable[str]:
    for key, signature in graph.meta.signature_def.items():
        for info in signature.outputs.values() if key != INITIALISER else ():
            yield node_name(info.name)
            yield node_name(info.coo_sparse.values_tensor_name)
            yield node_name(info.coo_sparse.indices_tensor_name)
            yield from (node_name(part.name) for part in info.composite_tensor.components)
    for key, collection in graph.meta.collection_def.items():
        if key not in _INITIAL_COLLECTIONS | {"saved_model_assets"}:
            yield from (node_name(name) for name in collection.node_list.value)


def _initial_roots(graph: Graph) -> Iterable[str]:
    if INITIALISER in graph.meta.signature_def:
        yield node_name(graph.meta.signature_def[INITIALISER].outputs[INITIALISER].name)
    for key in _INITIAL_COLLECTIONS & set(graph.meta.collection_def):
        yield from map(node_name, graph.meta.collection_def[key].node_list.value)


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
              for name in calls(graph, graph.nodes[found])]  # fmt: skip
    starts = [*called, *(name for name in also if name in graph.functions)]
    return _closure(
        starts,
        lambda name: [
            inner for node in graph.functions[name].node_def for inner in calls(graph, node)
        ],
    )


def calls(graph: Graph, node: Any) -> Iterable[str]:
    if node.op in graph.functions:
        yield node.op
    for attribute in node.attr.values():
        for name in (attribute.func.name, *(found.name for found in attribute.list.func)):
            if name in graph.functions:
                yield name


def _producers(graph: Graph, name: str) -> Iterable[str]:
    if name in graph.nodes:
        yield from (node_name(text) for text in graph.nodes[name].input)


def node_name(tensor: str) -> str:
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
