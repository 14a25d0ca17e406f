"""Tables that a SavedModel fills from files: only from its own assets, and only when it is loaded.

A loader sets an asset's tensor to the path of the file in assets/ while it initialises the model,
and at no other time. So the name of the file is followed backwards from each operation that fills
a table, through the arguments of functions, to where it comes from: that must be an asset's
tensor, or a variable that holds nothing else. What is not certain is refused.
"""

from collections.abc import Iterator
from typing import Any, Never

from registry.formats.refusal import unsafe
from registry.formats.saved_model_graph import INITIALISER, Graph, calls, node_name

FILLING = frozenset({"InitializeTableFromTextFile", "InitializeTableFromTextFileV2"})
_FILE_NAME = 1  # which input of these is the name
# Not a constant, whose value would be read wherever a loader does not set it.
_SOURCES = {"Placeholder", "PlaceholderV2"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_FIX = (
    "export the model again with TensorFlow 2, giving tf.lookup.TextFileInitializer a plain path, "
    "or keep the vocabulary in the graph: tf.lookup.KeyValueTensorInitializer"
)
_LEAVES_AS_IT_IS = {"VarIsInitializedOp", "ReadVariableOp"}


def initialisers(graph: Graph) -> frozenset[str]:
    """Functions that fill a table, or call one that does, and get the file's name as an argument.

    Raises UnsafeModel where any of them, or the graph itself, could get another name.
    """
    assets = _asset_tensors(graph)
    _check_signatures(graph, assets)
    for node in graph.nodes.values():
        if node.op in FILLING:
            _require_asset(graph, node, _FILE_NAME, assets)
    waiting = [
        (name, _argument(graph, name, node, _FILE_NAME))
        for name, function in graph.functions.items()
        for node in function.node_def
        if node.op in FILLING
    ]
    found: set[tuple[str, int]] = set()
    while waiting:
        name, place = waiting.pop()
        if (name, place) in found:
            continue
        found.add((name, place))
        _check_captures(graph, name, place)
        for caller, node in _call_sites(graph, name):
            if caller is None:
                _require_asset(graph, node, place, assets)
            else:
                waiting.append((caller, _argument(graph, caller, node, place)))
    return frozenset(name for name, _ in found)


def _check_signatures(graph: Graph, assets: set[str]) -> None:
    """Nobody who asks the model may set the path, or initialise it in another way."""
    for key, signature in graph.meta.signature_def.items():
        taken = [info.name for info in signature.inputs.values()]
        if assets.intersection(taken) or (
            key == INITIALISER and (taken or len(signature.outputs) > 1)
        ):
            raise unsafe(
                graph.head, f"signature {key[:80]!r} lets a caller set an asset's path", fix=_FIX
            )


def _asset_tensors(graph: Graph) -> set[str]:
    """Outputs of the main graph that hold an asset's path, and nothing else, while initialising."""
    names = {node_name(asset.tensor_info.name) for asset in graph.meta.asset_file_def}
    assets = {
        form
        for name in names
        if name in graph.nodes and graph.nodes[name].op in _SOURCES
        for form in (name, f"{name}:0")
    }
    assigned = {
        node_name(node.input[0])
        for node in graph.nodes.values()
        if node.op == "AssignVariableOp" and assets.intersection(node.input[1:2])
    }
    holders = {name for name in assigned if _holds_only(graph, name, assets)}
    reads = {
        name
        for name, node in graph.nodes.items()
        if node.op == "ReadVariableOp" and holders.intersection(map(node_name, node.input[:1]))
    }
    return assets | {form for name in reads for form in (name, f"{name}:0")}


def _holds_only(graph: Graph, handle: str, assets: set[str]) -> bool:
    """Whether the variable is this handle's alone, and assigned nothing but assets' paths."""
    every = list(graph.nodes.values())
    every.extend(node for one in graph.functions.values() for node in one.node_def)
    own = graph.nodes.get(handle)
    if own is None or own.op != "VarHandleOp":
        return False
    same = [node for node in every if node.op == own.op and _identity(node) == _identity(own)]
    return len(same) == 1 and all(
        node.op in _LEAVES_AS_IT_IS
        or (
            node.op == "AssignVariableOp"
            and node_name(node.input[0]) == handle
            and assets.intersection(node.input[1:2])
        )
        for node in graph.nodes.values()
        if handle in {node_name(text) for text in _data_inputs(node)}
    )


def _identity(node: Any) -> tuple[bytes, bytes]:
    return node.attr["container"].s, node.attr["shared_name"].s or node.name.encode()


def _call_sites(graph: Graph, name: str) -> Iterator[tuple[str | None, Any]]:
    """Each node that calls the function, and the function that the node is in."""
    places = [(None, node) for node in graph.nodes.values()] + [
        (caller, node) for caller, one in graph.functions.items() for node in one.node_def
    ]
    for caller, node in places:
        named = list(calls(graph, node))
        if name not in named:
            continue
        is_plain = node.op == name or (node.op in _CALLS and node.attr["f"].func.name == name)
        if not is_plain or len(named) != 1:
            _refuse(graph, node)
        yield caller, node


def _argument(graph: Graph, name: str, node: Any, place: int) -> int:
    """Which argument of the function `name` the input of its node is."""
    inputs = _data_inputs(node)
    arguments = graph.functions[name].signature.input_arg
    names = [one.name for one in arguments]
    is_plain = all(not one.number_attr and not one.type_list_attr for one in arguments)
    if place >= len(inputs) or inputs[place] not in names or not is_plain:
        _refuse(graph, node)
    return names.index(inputs[place])


def _require_asset(graph: Graph, node: Any, place: int, assets: set[str]) -> None:
    inputs = _data_inputs(node)
    if place >= len(inputs) or inputs[place] not in assets:
        _refuse(graph, node)


def _check_captures(graph: Graph, name: str, place: int) -> None:
    """What a loader of objects gives the function: its last arguments are bound to objects."""
    library, objects = graph.meta.graph_def.library, graph.meta.object_graph_def
    gradients = {one.gradient_func for one in (*library.gradient, *library.registered_gradients)}
    arguments = len(graph.functions[name].signature.input_arg)
    is_bound = True
    if name in objects.concrete_functions:
        bound = objects.concrete_functions[name].bound_inputs
        at = place - (arguments - len(bound))
        kinds = dict(enumerate(node.WhichOneof("kind") for node in objects.nodes))
        is_bound = at >= 0 and kinds.get(bound[at]) == "asset"
    if name in gradients or not is_bound:
        _refuse(graph, graph.functions[name].node_def[0])


def _data_inputs(node: Any) -> list[str]:
    return [text for text in node.input if not text.startswith("^")]


def _refuse(graph: Graph, node: Any) -> Never:
    raise unsafe(
        graph.head,
        f"operation {node.op[:80]} ({node.name[:80]!r}) is not allowed: the file that a table is "
        "filled from is not certain to be one of assets/",
        fix=_FIX,
    )
