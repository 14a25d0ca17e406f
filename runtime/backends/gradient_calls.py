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


def name(call: str, output: str) -> str:
    """Of the call that gives the gradient of `output`."""
    return f"{call}\n{output}"


def parts(named: str) -> tuple[str, str]:
    """The model's own call, and the output."""
    call, _, output = named.partition("\n")
    return call, output


def offered(calls: Mapping[str, Call]) -> dict[str, Call]:
    """A call for each floating output of each call that has a floating input."""
    return {
        name(called, output.name): _call(call)
        for called, call in calls.items()
        for output in call.signature.outputs
        if output.dtype in FLOATS and floating(call)
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
        "numbers, comparisons or lookups",
        fix="use kernel_shap, lime, occlusion or permutation",
    )


def _call(call: Call) -> Call:
    found = Signature(
        (Tensor(TARGET, "int64", (None,)), *call.signature.inputs),
        (
            Tensor(SCORE, "float64", (None,)),
            *(Tensor(GRADIENT + one, "float64", None) for one in floating(call)),
        ),
    )
    inputs, outputs = ([one.name for one in side] for side in (found.inputs, found.outputs))
    return Call(found, "", tuple(inputs), tuple(outputs))
