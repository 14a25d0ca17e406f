"""How gradients are asked for: each score of a model is a call that gives its gradient too.

An engine's gradients are a `Backend` like any other, in a process of its own, so what is between
it and the runtime is what is between a model's own process and the runtime.
"""

from collections.abc import Mapping

import numpy as np

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import Array, Call

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})
# Of each row: which number of the output; its value; its gradient by each floating input.
TARGET, SCORE, GRADIENT = "target", "score", "gradient "
# Of a layer: its name, its maps (rows, channels, rows of a map, columns), their gradient.
LAYER, MAPS, SLOPES = "layer", "maps", "slopes"
CONTROLS = frozenset({TARGET, LAYER})


def name(call: str, output: str) -> str:
    """Of the call that gives the gradient of `output`."""
    return f"{call}\n{output}"


def of_maps(call: str, output: str) -> str:
    """Of the call that gives what a layer has to do with `output`."""
    return f"{call}\n{output}\n{MAPS}"


def parts(named: str) -> tuple[str, str, bool]:
    """The model's own call, the output, and whether it is about a layer's maps."""
    call, output, *more = named.split("\n")
    return call, output, bool(more)


def offered(calls: Mapping[str, Call]) -> dict[str, Call]:
    """A call for each floating output of each call that has a floating input."""
    scores = [
        (called, call, output.name)
        for called, call in calls.items()
        for output in call.signature.outputs
        if output.dtype in FLOATS and floating(call)
    ]
    return {name(called, output): _call(call) for called, call, output in scores} | {
        of_maps(called, output): _maps_call(call) for called, call, output in scores
    }


def floating(call: Call) -> list[str]:
    """The inputs that there is a gradient by."""
    return [one.name for one in call.signature.inputs if one.dtype in FLOATS]


def chosen(shape: tuple[int, ...], targets: Array) -> Array:
    """1 at each row's target, as the output is shaped: the gradient of their sum is each row's."""
    found = np.zeros(shape, np.float32)
    if found.size:
        rows = found.reshape(len(targets), -1)
        rows[np.arange(len(targets)), targets] = 1
    return found


def no_gradient(output: str) -> InvalidInput:
    """Where a score depends on no input in a way that could be derived."""
    return InvalidInput(
        f"the output {output!r} has no gradient by any input: the model computes it by whole "
        "numbers, comparisons or lookups; use kernel_shap, lime, occlusion or permutation"
    )


def _call(call: Call) -> Call:
    asked = Tensor(TARGET, "int64", (None,))
    given = (Tensor(GRADIENT + one, "float64", None) for one in floating(call))
    return _with((asked, *call.signature.inputs), tuple(given))


def _maps_call(call: Call) -> Call:
    asked = Tensor(TARGET, "int64", (None,)), Tensor(LAYER, "string", (1,))
    maps = (Tensor(one, "float64", (None, None, None, None)) for one in (MAPS, SLOPES))
    return _with((*asked, *call.signature.inputs), (Tensor(LAYER, "string", (1,)), *maps))


def _with(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...]) -> Call:
    found = Signature(inputs, (Tensor(SCORE, "float64", (None,)), *outputs))
    return Call(found, "", tuple(one.name for one in inputs),
                tuple(one.name for one in found.outputs))  # fmt: skip
