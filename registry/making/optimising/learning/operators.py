"""ONNX's operators that compute, in PyTorch, so that gradients pass: of the standard's opset 13 on.

Each takes the node's attributes and its inputs (None where one is left out), and gives its output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from registry.errors import Unsupported

Attributes: TypeAlias = Mapping[str, Any]
Given: TypeAlias = Sequence[Any]
Operator: TypeAlias = Callable[[Attributes, Given], Any]


def _conv(said: Attributes, given: Given) -> Any:
    x, weight, bias = (*given, None)[:3]
    over = weight.dim() - 2
    x = _padded(x, said, weight.shape[2:], over, 0.0)
    run = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[over]
    return run(
        x, weight, bias, stride=said.get("strides", [1] * over),
        dilation=said.get("dilations", [1] * over), groups=said.get("group", 1),
    )  # fmt: skip


def _max_pool(said: Attributes, given: Given) -> Any:
    return _pool(said, given[0], (functional.max_pool1d, functional.max_pool2d), float("-inf"))


def _average_pool(said: Attributes, given: Given) -> Any:
    if any(said.get("pads", ())) and not said.get("count_include_pad", 0):
        raise Unsupported("an AveragePool that does not count its padding cannot learn here")
    return _pool(said, given[0], (functional.avg_pool1d, functional.avg_pool2d), 0.0)


def _pool(said: Attributes, x: Any, runs: Sequence[Any], fill: float) -> Any:
    size = list(said["kernel_shape"])
    over = len(size)
    if (
        over > len(runs)
        or said.get("ceil_mode", 0)
        or any(d != 1 for d in said.get("dilations", ()))
    ):
        raise Unsupported("a pool in 3 dimensions, dilated or rounded up cannot learn here")
    x = _padded(x, said, size, over, fill)
    return runs[over - 1](x, size, stride=list(said.get("strides", [1] * over)))


def _padded(x: Any, said: Attributes, kernel: Sequence[int], over: int, fill: float) -> Any:
    """`x` with what auto_pad or pads ask for around it."""
    how = said.get("auto_pad", "NOTSET")
    if how in {"SAME_UPPER", "SAME_LOWER"}:
        begins, ends = _same(x.shape[2:], said, kernel, over, upper=how == "SAME_UPPER")
    else:
        pads = [0] * 2 * over if how == "VALID" else list(said.get("pads", [0] * 2 * over))
        begins, ends = pads[:over], pads[over:]
    if not any([*begins, *ends]):
        return x
    # PyTorch begins with the last axis.
    around = [side for pair in zip(reversed(begins), reversed(ends), strict=True) for side in pair]
    return functional.pad(x, around, value=fill)


def _same(
    sizes: Sequence[int], said: Attributes, kernel: Sequence[int], over: int, *, upper: bool
) -> tuple[list[int], list[int]]:
    begins, ends = [], []
    strides, dilations = said.get("strides", [1] * over), said.get("dilations", [1] * over)
    for size, step, wide, apart in zip(sizes, strides, kernel, dilations, strict=True):
        lacks = max(0, (-(-size // step) - 1) * step + (wide - 1) * apart + 1 - size)
        small, large = lacks // 2, lacks - lacks // 2
        begins.append(small if upper else large)
        ends.append(large if upper else small)
    return begins, ends


def _gemm(said: Attributes, given: Given) -> Any:
    a, b, c = (*given, None)[:3]
    a = a.T if said.get("transA", 0) else a
    b = b.T if said.get("transB", 0) else b
    found = said.get("alpha", 1.0) * (a @ b)
    return found if c is None else found + said.get("beta", 1.0) * c


def _layer_norm(said: Attributes, given: Given) -> Any:
    x, weight, bias = (*given, None)[:3]
    first = said.get("axis", -1) % x.dim()
    found = functional.layer_norm(x, x.shape[first:], eps=said.get("epsilon", 1e-5)) * weight
    return found if bias is None else found + bias


def _gelu(said: Attributes, given: Given) -> Any:
    return functional.gelu(given[0], approximate=said.get("approximate", "none"))


def _clip(_said: Attributes, given: Given) -> Any:
    x, low, high = (*given, None, None)[:3]
    x = x if low is None else torch.maximum(x, low)
    return x if high is None else torch.minimum(x, high)


def _prelu(_said: Attributes, given: Given) -> Any:
    x, slope = given
    return torch.where(x > 0, x, slope * x)


def _reduced(run: Callable[..., Any]) -> Operator:
    """Axes are an input in newer opsets, and an attribute in older ones."""

    def of(said: Attributes, given: Given) -> Any:
        x, axes = (*given, None)[:2]
        over = said.get("axes") if axes is None else axes.tolist()
        if over is None:
            if said.get("noop_with_empty_axes", 0):
                return x
            over = range(x.dim())
        return run(x, dim=tuple(over), keepdim=bool(said.get("keepdims", 1)))

    return of


def _plain(run: Callable[..., Any]) -> Operator:
    return lambda _said, given: run(*given)


def _along(run: Callable[..., Any]) -> Operator:
    return lambda said, given: run(given[0], dim=said.get("axis", -1))


def _dropout(said: Attributes, given: Given) -> Any:
    """As it is asked: none. What learns here has other ways not to overfit."""
    del said
    return given[0]


OPERATORS: Mapping[str, Operator] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Conv": _conv,
    "Div": _plain(torch.div),
    "Dropout": _dropout,
    "Elu": lambda said, given: functional.elu(given[0], said.get("alpha", 1.0)),
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, given: given[0].mean(
        dim=tuple(range(2, given[0].dim())), keepdim=True
    ),
    "HardSigmoid": lambda said, given: torch.clamp(
        said.get("alpha", 0.2) * given[0] + said.get("beta", 0.5), 0, 1
    ),
    "HardSwish": _plain(functional.hardswish),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda said, given: functional.leaky_relu(given[0], said.get("alpha", 0.01)),
    "Log": _plain(torch.log),
    "LogSoftmax": _along(torch.log_softmax),
    "MatMul": _plain(torch.matmul),
    "MaxPool": _max_pool,
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "PRelu": _prelu,
    "Pow": _plain(torch.pow),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _plain(torch.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "Softmax": _along(torch.softmax),
    "Sqrt": _plain(torch.sqrt),
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Where": _plain(torch.where),
}
