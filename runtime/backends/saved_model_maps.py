"""What an operation inside a SavedModel's signature gives, and the score's gradient by it.

A signature's function calls others, and what they compute inside cannot be reached. So the graph
is built once more without calls: each operation again, and each call's operations in its place.
"""

from dataclasses import dataclass
from typing import Any

from registry.errors import InvalidInput

_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_CONVOLUTIONS = {"Conv2D", "DepthwiseConv2dNative"}


@dataclass(frozen=True, slots=True)
class Tapped:
    """`run` takes the signature's inputs in the order of `names`, and a mask of the output's
    shape; gives the output, the maps of `layer` (rows, rows of the map, columns, channels), and the
    gradient of the masked output by them."""

    layer: str
    names: tuple[str, ...]
    run: Any


def tapped(engine: Any, signature: Any, output: str, layer: str) -> Tapped:
    """At the operation of that name, or the last one below it; where it is empty at the last
    convolution. Raises `InvalidInput` where there is none."""
    source = signature.graph
    graph = engine.func_graph.FuncGraph("maps")
    outside = {inner.name: outer for outer, inner in source.captures}
    with graph.as_default():
        feeds = {
            one.name: engine.arrays.placeholder(one.dtype, one.shape)
            for one in source.inputs
            if one.name not in outside
        }
        captured = {name: graph.capture(outer) for name, outer in outside.items()}
        known: dict[str, Any] = {**feeds, **captured}
        made: list[tuple[str, str, Any]] = []
        _rebuild(graph, source, known, made)
        score = _output(signature, known, output)
        named, value = _last(made, layer)
        mask = engine.arrays.placeholder(score.dtype, score.shape)
        (slopes,) = engine.gradients.gradients(score, value, grad_ys=mask)
    if slopes is None:
        raise InvalidInput(f"the output {output!r} does not depend on the layer {named!r}")
    graph.inputs = [*feeds.values(), mask, *graph.internal_captures]
    graph.outputs = [score, value, slopes]
    function = engine.functions.ConcreteFunction.from_func_graph(graph, None, {})
    names = tuple(signature._arg_keywords)  # noqa: SLF001
    return Tapped(named, names, lambda *given: function._call_flat(  # noqa: SLF001
        list(given), function.captured_inputs))  # fmt: skip


def _rebuild(graph: Any, source: Any, known: dict[str, Any], made: list[Any]) -> None:
    """What the outputs of `source` need, in `graph`; `known` has values by the source's names."""
    for one in _ordered(source, known):
        given = [known[value.name] for value in one.inputs]
        if one.type in _CALLS:
            inner = source._get_function(one.get_attr("f").name).graph  # noqa: SLF001
            within = {place.name: value for place, value in zip(inner.inputs, given, strict=True)}
            _rebuild(graph, inner, within, made)
            values = [within[value.name] for value in inner.outputs]
        else:
            again = graph._create_op_internal(  # noqa: SLF001
                one.type, given, [value.dtype for value in one.outputs],
                attrs=dict(one.node_def.attr),
            )  # fmt: skip
            values = list(again.outputs)
            made.append((one.name, one.type, values[0] if values else None))
        known |= {value.name: found for value, found in zip(one.outputs, values, strict=True)}


def _ordered(source: Any, known: dict[str, Any]) -> list[Any]:
    """Each operation after those that it needs: a graph that was derived once is in no order."""
    found: dict[str, Any] = {}
    waiting = [(value.op, False) for value in reversed(source.outputs) if value.name not in known]
    while waiting:
        one, is_ready = waiting.pop()
        if is_ready:
            found[one.name] = one
        elif one.name not in found:
            waiting.append((one, True))
            waiting += [(value.op, False) for value in one.inputs if value.name not in known]
    return list(found.values())


def _output(signature: Any, known: dict[str, Any], name: str) -> Any:
    """A signature's outputs are in the order of their names."""
    position = sorted(signature.structured_outputs).index(name)
    return known[signature.outputs[position].name]


def _last(made: list[tuple[str, str, Any]], layer: str) -> tuple[str, Any]:
    maps = [(name, kind, value) for name, kind, value in made
            if value is not None and value.shape.rank == 4 and value.dtype.is_floating
            and kind != "ReadVariableOp"]  # fmt: skip
    if layer:
        found = [(name, value) for name, _, value in maps
                 if f"/{layer}/" in f"/{name}/"]  # fmt: skip
    else:
        found = [(name, value) for name, kind, value in maps if kind in _CONVOLUTIONS]
    if found:
        return found[-1]
    said = f"no layer {layer[:80]!r}" if layer else "no convolution"
    names = ", ".join(dict.fromkeys(name for name, _, _ in maps)) or "none"
    raise InvalidInput(f"the signature has {said} of maps: its layers are {names}"[:1000])
