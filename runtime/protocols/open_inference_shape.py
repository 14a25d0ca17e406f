"""The shape that a request gives a tensor, over HTTP or gRPC, against what the model declares.

Sizes are held to what a request can have before anything is allocated for them.
"""

import math
from collections.abc import Sequence

from registry.errors import InvalidInput
from runtime.protocols.open_inference_plan import Part, Plan, Shape

_LARGEST_SIZE = 2**40
# What is empty costs a client nothing, and may be summed up to something that is not.
_LARGEST_EMPTY = 2**20
_MOST_DIMENSIONS = 32


def checked(plan: Plan, part: Part, given: Sequence[int]) -> Shape:
    """`given`, if the input `part` may have it; raises `InvalidInput`."""
    name = part.tensor.name
    if len(given) > _MOST_DIMENSIONS or not _is_possible(given):
        raise InvalidInput(f"input '{name}' has an impossible 'shape'")
    if not _fits(given, part.tensor.shape):
        raise InvalidInput(
            f"unexpected shape for input '{name}' for model '{plan.model}'. "
            f"Expected {printed(part.declared)}, got {printed(given)}"
        )
    return tuple(given)


def printed(shape: Sequence[int]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _fits(shape: Sequence[int], declared: tuple[int | None, ...] | None) -> bool:
    if declared is None:
        return True
    if len(shape) != len(declared):
        return False
    return all(wanted in (None, size) for wanted, size in zip(declared, shape, strict=True))


def _is_possible(shape: Sequence[int]) -> bool:
    if min(shape, default=0) < 0:
        return False
    if 0 < math.prod(shape) <= _LARGEST_EMPTY:
        return True
    return math.prod(size or 1 for size in shape) <= (
        _LARGEST_EMPTY if 0 in shape else _LARGEST_SIZE
    )
