"""ONNX's operators that only move numbers about, or make constants, in PyTorch."""

from collections.abc import Mapping
from typing import Any

import torch

from registry.making.optimising.learning.operators import Attributes, Given, Operator


def _reshape(said: Attributes, given: Given) -> Any:
    x, shape = given
    sizes = [int(one) for one in shape.tolist()]
    if not said.get("allowzero", 0):
        sizes = [x.shape[at] if size == 0 else size for at, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(said: Attributes, given: Given) -> Any:
    x, axis = given[0], said.get("axis", 1)
    first = int(torch.tensor(x.shape[:axis]).prod())
    return x.reshape(first, -1)


def _transpose(said: Attributes, given: Given) -> Any:
    x = given[0]
    return x.permute(*said.get("perm", range(x.dim() - 1, -1, -1)))


def _squeeze(said: Attributes, given: Given) -> Any:
    x, axes = (*given, None)[:2]
    over = said.get("axes") if axes is None else axes.tolist()
    return x.squeeze() if over is None else x.squeeze(tuple(over))


def _unsqueeze(said: Attributes, given: Given) -> Any:
    x, axes = (*given, None)[:2]
    over = list(said["axes"] if axes is None else axes.tolist())
    dimensions = x.dim() + len(over)
    for axis in sorted(one % dimensions for one in over):
        x = x.unsqueeze(axis)
    return x


def _gather(said: Attributes, given: Given) -> Any:
    x, index = given
    axis = said.get("axis", 0) % x.dim()
    index = torch.where(index < 0, index + x.shape[axis], index).long()
    found = x.index_select(axis, index.reshape(-1))
    return found.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _concat(said: Attributes, given: Given) -> Any:
    return torch.cat(list(given), dim=said["axis"])


def _slice(_said: Attributes, given: Given) -> Any:
    x, starts, ends, axes, steps = (*given, None, None)[:5]
    over = range(len(starts)) if axes is None else axes.tolist()
    apart = [1] * len(starts) if steps is None else steps.tolist()
    for axis, start, end, step in zip(over, starts.tolist(), ends.tolist(), apart, strict=True):
        places = list(range(x.shape[axis]))[slice(start, end if end > -(1 << 31) else None, step)]
        x = x.index_select(axis, torch.tensor(places, dtype=torch.int64))
    return x


def _expand(_said: Attributes, given: Given) -> Any:
    x, shape = given
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist())))


def _constant_of_shape(said: Attributes, given: Given) -> Any:
    value = said.get("value", torch.zeros(1))
    return torch.full(tuple(given[0].tolist()), value.item(), dtype=value.dtype)


_KINDS = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64,
}  # fmt: skip

MOVING: Mapping[str, Operator] = {
    "Cast": lambda said, given: given[0].to(_KINDS[said["to"]]),
    "Concat": _concat,
    "Constant": lambda said, _: next(iter(said.values())),
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": lambda _, given: given[0],
    "Reshape": _reshape,
    "Shape": lambda said, given: torch.tensor(
        given[0].shape[said.get("start", 0) : said.get("end")], dtype=torch.int64
    ),
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
