"""Follows channels through a graph: which operation makes them, takes them, moves or joins them."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from registry.errors import Unsupported
from registry.making.optimising import dependence, layers
from registry.making.optimising.dependence import Channels, Cut, Lies, Shape
from registry.making.optimising.samples import Array

_ALONE = {
    "Abs", "AveragePool", "Cast", "Clip", "Dropout", "Elu", "Erf", "Exp", "Gelu",
    "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "MaxPool",
    "Neg", "Reciprocal", "Relu", "Sigmoid", "Softplus", "Sqrt", "Tanh",
}  # fmt: skip
_JOINS = {"Add", "Div", "Max", "Min", "Mul", "PRelu", "Pow", "Sub", "Where"}
_RESHAPES = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"}
_OVER = {"LogSoftmax", "Softmax"}


def of(path: Path, work: Path) -> Channels:
    """The channels of the graph in a file, in which every node has a name; raises Unsupported."""
    model = layers.load(path)
    for node in model.graph.node:
        if any(one.HasField("g") or one.graphs for one in node.attribute):
            raise Unsupported(f"{node.name}: channels are not followed into a {node.op_type}")
    walk = _Walk(model, dependence.tried(path, work))
    for node in model.graph.node:
        walk.step(node)
    for one in model.graph.output:
        walk.keep(one.name, "they are the answer")
    _settle(model, walk.found)
    return walk.found


def _settle(model: Any, found: Channels) -> None:
    """A weight that is used twice is cut alike for both, or not at all."""
    uses = Counter(name for node in model.graph.node for name in node.input)
    together: dict[tuple[str, int], list[Array]] = {}
    for cut in found.cuts:
        together.setdefault((cut.name, cut.axis), []).append(cut.numbers)
    for (name, _), every in together.items():
        for other in every[1:]:
            found.join(every[0], other)
        if uses[name] != len(every):
            found.keep(every[0], f"{name} is used elsewhere too")


class _Walk:
    """Goes over the nodes in order; `_lies` is what is known of each tensor."""

    def __init__(self, model: Any, values: Mapping[str, Array]) -> None:
        self.found = Channels()
        self._constants = {one.name for one in model.graph.initializer}
        self._values, self._lies = values, dict[str, Lies]()
        self._kinds: Mapping[str, _Kind] = {
            "Conv": self._conv, "Gemm": self._gemm, "MatMul": self._matmul,
            "Gather": self._gather, "BatchNormalization": self._norm, "Concat": self._concat,
            "Transpose": self._transpose, "ReduceMean": self._reduce, "ReduceSum": self._reduce,
            **dict.fromkeys(_JOINS, self._join), **dict.fromkeys(_RESHAPES, self._reshape),
            **dict.fromkeys(_OVER, self._over), **dict.fromkeys(_ALONE, self._alone),
        }  # fmt: skip

    def step(self, node: Any) -> None:
        """One node; one that is not known keeps what reaches it."""
        does = self._kinds.get(node.op_type) if node.domain in {"", "ai.onnx"} else None
        lies = does(node) if does else None
        if lies is not None:
            self._lies[node.output[0]] = lies
        elif does is None:
            self._keep_all(node, f"{node.name}, a {node.op_type}, counts over all of them")

    def keep(self, name: str, why: str) -> None:
        """What lies in a tensor may not go."""
        if name in self._lies:
            self.found.keep(self._lies[name].numbers, why)

    def _keep_all(self, node: Any, why: str) -> None:
        for name in node.input:
            self.keep(name, why)

    def _shape(self, name: str) -> tuple[int, ...]:
        return self._values[name].shape

    def _takes(self, node: Any, weight: str, axis: int, at: int) -> None:
        """The node takes the channels of its first input, which lie along the axis `at`."""
        lies = self._lies.get(node.input[0])
        if lies is None:
            return
        if lies.axis == at % len(self._shape(node.input[0])):
            self.found.cuts.append(Cut(weight, axis, lies.numbers, gives=False))
        else:
            self.found.keep(lies.numbers, f"{node.name} takes them along another axis")

    def _gives(self, node: Any, weight: str, axis: int, at: int) -> Lies | None:
        """The node makes channels, which lie along `at` of its output."""
        count = self._shape(weight)[axis]
        if count < 2:
            return None
        numbers = self.found.added(count)
        self.found.layers[node.name] = numbers
        self.found.cuts.append(Cut(weight, axis, numbers, gives=True))
        return Lies(at % len(self._shape(node.output[0])), numbers)

    def _with(self, lies: Lies, name: str, shape: tuple[int, ...]) -> None:
        """Another input of an operation whose output has `shape` and those channels."""
        sizes = self._shape(name)
        axis = lies.axis - (len(shape) - len(sizes))
        if axis < 0 or sizes[axis] == 1:
            return
        other = self._lies.get(name)
        if name in self._constants:
            self.found.cuts.append(Cut(name, axis, lies.numbers, gives=True))
        elif other is not None and other.axis == axis:
            self.found.join(lies.numbers, other.numbers)
        else:
            why = "they are joined with what has no channels of its own"
            self.found.keep(lies.numbers, why)
            self.keep(name, why)

    def _conv(self, node: Any) -> Lies | None:
        weight, group = node.input[1], layers.attribute(node, "group", 1)
        if weight not in self._constants or group != 1:
            self._keep_all(node, f"{node.name} is a convolution in groups, or its weights vary")
            return None
        self._takes(node, weight, 1, 1)
        lies = self._gives(node, weight, 0, 1)
        if lies and len(node.input) > 2 and node.input[2]:
            self.found.cuts.append(Cut(node.input[2], 0, lies.numbers, gives=True))
        return lies

    def _gemm(self, node: Any) -> Lies | None:
        weight = node.input[1]
        if weight not in self._constants or layers.attribute(node, "transA", 0):
            self._keep_all(node, f"{node.name} multiplies two that vary")
            return None
        turned = bool(layers.attribute(node, "transB", 0))
        self._takes(node, weight, 1 if turned else 0, 1)
        lies = self._gives(node, weight, 0 if turned else 1, 1)
        if lies and len(node.input) > 2 and node.input[2]:
            self._with(lies, node.input[2], self._shape(node.output[0]))
        return lies

    def _matmul(self, node: Any) -> Lies | None:
        weight = node.input[1]
        if weight not in self._constants or len(self._shape(weight)) != 2:
            self._keep_all(node, f"{node.name} multiplies two that vary")
            return None
        self._takes(node, weight, 0, -1)
        return self._gives(node, weight, 1, -1)

    def _gather(self, node: Any) -> Lies | None:
        table = node.input[0]
        is_table = table in self._constants and len(self._shape(table)) == 2
        if not is_table or layers.attribute(node, "axis", 0):
            self._keep_all(node, f"{node.name} picks some of them")
            return None
        return self._gives(node, table, 1, -1)

    def _norm(self, node: Any) -> Lies | None:
        lies = self._lies.get(node.input[0])
        if lies is not None and lies.axis == 1:
            for name in node.input[1:]:
                self.found.cuts.append(Cut(name, 0, lies.numbers, gives=True))
            return lies
        self._keep_all(node, f"{node.name} counts over all of them")
        return None

    def _alone(self, node: Any) -> Lies | None:
        return self._lies.get(node.input[0])

    def _over(self, node: Any) -> Lies | None:
        lies = self._lies.get(node.input[0])
        sizes = self._shape(node.output[0])
        if lies and layers.attribute(node, "axis", -1) % len(sizes) == lies.axis:
            self.keep(node.input[0], f"{node.name}, a {node.op_type}, counts over all of them")
        return lies

    def _join(self, node: Any) -> Lies | None:
        shape, lies = self._shape(node.output[0]), None
        for name in node.input:
            one = self._lies.get(name)
            if one is not None:
                lies = Lies(one.axis + len(shape) - len(self._shape(name)), one.numbers)
                break
        if lies is not None:
            for name in node.input:
                self._with(lies, name, shape)
        return lies

    def _reshape(self, node: Any) -> Lies | None:
        lies = self._lies.get(node.input[0])
        if lies is None:
            return None
        marked = dependence.marked(self._shape(node.input[0]), lies)
        found = dependence.carried(marked.reshape(self._shape(node.output[0])))
        if found is None:
            self.keep(node.input[0], f"{node.name} takes them apart, as heads of attention are")
        elif node.op_type == "Reshape":
            if node.input[1] not in self._constants:
                self.keep(node.input[0], f"{node.name} has sizes that are computed")
            elif self._values[node.input[1]][found.axis] > 0:
                self.found.shapes.append(Shape(node.name, found.axis, found.numbers))
        return found

    def _transpose(self, node: Any) -> Lies | None:
        lies = self._lies.get(node.input[0])
        if lies is None:
            return None
        count = len(self._shape(node.input[0]))
        order = list(layers.attribute(node, "perm", range(count - 1, -1, -1)))
        return Lies(order.index(lies.axis), lies.numbers)

    def _reduce(self, node: Any) -> Lies | None:
        lies = self._lies.get(node.input[0])
        if lies is None:
            return None
        before, after = self._shape(node.input[0]), self._shape(node.output[0])
        axes = layers.attribute(node, "axes", None)
        if len(node.input) > 1:
            axes = self._values[node.input[1]].tolist()
        over = [one % len(before) for one in (range(len(before)) if axes is None else axes)]
        if lies.axis in over:
            self.keep(node.input[0], f"{node.name} counts over all of them")
            return None
        gone = 0 if len(after) == len(before) else sum(one < lies.axis for one in over)
        return Lies(lies.axis - gone, lies.numbers)

    def _concat(self, node: Any) -> Lies | None:
        at = layers.attribute(node, "axis", 0) % len(self._shape(node.output[0]))
        parts = [self._lies.get(name) for name in node.input]
        axes = {one.axis for one in parts if one is not None}
        known = [one for one in parts if one is not None]
        if len(known) == len(parts) and axes == {at}:
            return Lies(at, np.concatenate([one.numbers for one in known]))
        self._keep_all(node, f"{node.name} puts them beside what is no channel")
        return None


_Kind: TypeAlias = Callable[[Any], Lies | None]
