"""What a layer inside a TorchScript program gives, beside the program's answer.

A loaded program runs no hooks, so its graph is taken apart: inlined, its weights made constants,
and the layer's value made a second output. The nodes know the modules that they came from.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from registry.errors import InvalidInput

_CONVOLUTIONS = {"aten::conv1d", "aten::conv2d", "aten::conv3d", "aten::_convolution"}
# A method of the module itself, and a function that no module is known of.
_NO_NAMES = {"", "SELF", "UNKNOWN_INSTANCE"}


@dataclass(frozen=True, slots=True)
class Tapped:
    """`run` takes the program's arguments and gives its answer and the value of `layer`."""

    layer: str
    run: Callable[..., tuple[Any, Any]]


def tapped(program: Any, layer: str) -> Tapped:
    """At the module of that name, or where it is empty at the last convolution; raises
    `InvalidInput` where there is none."""
    try:
        frozen = torch.jit.freeze(program, optimize_numerics=False)
    except RuntimeError as error:
        raise InvalidInput(f"the program cannot be taken apart: {error}"[:500]) from error
    graph = frozen.graph.copy()
    node = _last(list(graph.nodes()), layer)
    graph.registerOutput(node.output())
    graph.makeMultiOutputIntoTuple()
    function = torch._C._create_function_from_graph("forward", graph)  # noqa: SLF001
    return Tapped(module_of(node) or node.output().debugName(),
                  lambda *arguments: function(frozen._c, *arguments))  # noqa: SLF001  # fmt: skip


def module_of(node: Any) -> str:
    """The dotted name of the module that a node came from; empty for the program's own."""
    parts = (part.split("(")[0] for part in re.split(r"(?<=\))\.", node.getModuleHierarchy()))
    return ".".join(part for part in parts if part not in _NO_NAMES)


def _last(nodes: list[Any], layer: str) -> Any:
    made = (one for one in nodes if one.kind() != "prim::Constant" and one.outputsSize() == 1)
    values = [one for one in made if one.output().type().kind() == "TensorType"]
    named = [(module_of(one), one) for one in values]
    if layer:
        found = [one for name, one in named if f"{name}.".startswith(f"{layer}.")]
    else:
        found = [one for one in values if one.kind() in _CONVOLUTIONS]
    if found:
        return found[-1]
    names = ", ".join(dict.fromkeys(name for name, _ in named if name)) or "none"
    said = f"no layer {layer[:80]!r}" if layer else "no convolution"
    raise InvalidInput(f"the program has {said}: its layers are {names}"[:1000])
