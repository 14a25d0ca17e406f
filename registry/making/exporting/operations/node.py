"""A node of an ONNX graph as the operations see it, and where operations are looked up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Never

import numpy as np

from registry.making.refusals import NotConvertible

# Makes a variable of weights: of those of the node's place of this name.
Weight = Callable[[str, Any], Any]
Operation = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Node:
    """`attributes` are plain values; `weight` makes a variable of what was learnt."""

    kind: str
    name: str
    attributes: Mapping[str, Any]
    outputs: int
    weight: Weight

    def get(self, name: str, usual: Any = None) -> Any:
        """An attribute, or what the standard says where it is not given."""
        return self.attributes.get(name, usual)

    def refuse(self, what: str) -> Never:
        """It asks for what is not made here."""
        raise NotConvertible(
            f"{self.kind} ({self.name[:80]!r}): {what}",
            fix="serve this model as ONNX, or export it without that",
        )

    def known(self, value: Any, what: str) -> Any:
        """A value that must be known while the graph is built, as plain Python."""
        if not isinstance(value, np.ndarray | np.generic):
            self.refuse(f"{what} is computed while the model runs")
        return value.tolist()


def axes_of(node: Node, given: Any, rank: int | None) -> list[int] | None:
    """Axes as an input (opset 18) or as an attribute (before), none of them negative."""
    found = node.get("axes") if given is None else node.known(given, "the axes")
    if found is None:
        return None
    if any(axis < 0 for axis in found) and rank is None:
        node.refuse("negative axes of a tensor of unknown rank")
    return [axis + (rank or 0) if axis < 0 else axis for axis in found]
