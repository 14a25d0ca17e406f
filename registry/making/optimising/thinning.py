"""Structured pruning: whole channels go, and what is left is a smaller dense network.

A channel weighs what the slices that make it weigh, as their norm by that of the layer's mean
(Li et al. 2017, by L2); those that hang together go together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from registry.core.canonical import Json
from registry.errors import Unsupported
from registry.making.optimising import channels, layers
from registry.making.optimising.dependence import Channels
from registry.making.optimising.samples import Array


@dataclass(frozen=True, slots=True)
class Group:
    """Layers whose channels hang together; `roots` of all that may go, `stays` why none may."""

    names: tuple[str, ...]
    roots: tuple[int, ...]
    stays: str | None


def prune(source: Path, target: Path, said: Mapping[str, Any]) -> list[Json]:
    """Write the model without the channels that `said` (the step, as JSON) takes out."""
    model, found = layers.load(source), channels.of(source, target.parent)
    free = groups(model, found, said["exclude"])
    gone = _lightest(model, found, free, said)
    notes = told(found, free, gone)
    layers.save(without(model, found, gone), target)
    return notes


def groups(model: Any, found: Channels, exclude: Sequence[str]) -> list[Group]:
    """All groups; raises Unsupported where none may lose a channel, with why of each."""
    left_out = {one.name for one in layers.weighted(model) if one.is_named(exclude)}
    owners: dict[int, list[str]] = {}
    for name, numbers in found.layers.items():
        for one in found.roots(numbers).tolist():
            owners.setdefault(one, []).append(name)
    made: dict[tuple[str, ...], list[int]] = {}
    for one, names in owners.items():
        made.setdefault(tuple(dict.fromkeys(names)), []).append(one)
    listed = []
    for together, roots in made.items():
        why = found.why(np.array(roots))
        if left_out.intersection(together):
            why = "it is excluded"
        listed.append(Group(together, tuple(roots), why))
    if not [one for one in listed if one.stays is None]:
        raise Unsupported(
            "no channel may go: "
            + "; ".join(f"{', '.join(one.names)}: {one.stays}" for one in listed[:8]),
            fix="prune by magnitude, or let a smaller student learn (distil)",
        )
    return listed


def _lightest(
    model: Any, found: Channels, all_groups: Sequence[Group], said: Mapping[str, Any]
) -> set[int]:
    """The roots of the channels that go: a share of each group, or of all; one of each stays."""
    weights, share = _weights(model, found), said["sparsity"]
    free = [one for one in all_groups if one.stays is None]
    if said["scope"] == "layer":
        gone = set[int]()
        for group in free:
            order = sorted(group.roots, key=lambda root: weights[root])
            gone.update(order[: min(int(len(order) * share), len(order) - 1)])
        return gone
    spared = {max(group.roots, key=lambda root: weights[root]) for group in free}
    every = sorted((root for group in free for root in group.roots), key=lambda r: weights[r])
    count = int(len(every) * share)
    return set([root for root in every if root not in spared][:count])


def _weights(model: Any, found: Channels) -> dict[int, float]:
    """The mean over the slices that make a channel of their norm by the layer's mean norm."""
    values = layers.values(model)
    norms: dict[int, list[float]] = {}
    for cut in found.cuts:
        weight = values[cut.name]
        if not cut.gives or weight.ndim < 2:
            continue
        rows = np.moveaxis(weight, cut.axis, 0).reshape(weight.shape[cut.axis], -1)
        lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
        mean = float(lengths.mean()) or 1.0
        for root, length in zip(found.roots(cut.numbers).tolist(), lengths.tolist(), strict=True):
            norms.setdefault(root, []).append(length / mean)
    return {root: float(np.mean(lengths)) for root, lengths in norms.items()}


def without(model: Any, found: Channels, gone: set[int]) -> Any:
    """The model, changed, without those channels."""
    values = layers.values(model)
    for (name, axis), numbers in _once(found).items():
        kept = ~np.isin(found.roots(numbers), list(gone))
        values[name] = np.compress(kept, values[name], axis=axis)
        layers.replace(model, name, values[name])
    nodes = {node.name: node for node in model.graph.node}
    for shape in found.shapes:
        sizes = layers.initializer(model, nodes[shape.node].input[1]).copy()
        sizes[shape.place] = int((~np.isin(found.roots(shape.numbers), list(gone))).sum())
        name = f"{nodes[shape.node].input[1]}_of_{shape.node}"
        layers.add(model, name, sizes)
        nodes[shape.node].input[1] = name
    used = {name for node in model.graph.node for name in node.input}
    for one in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(one)
    del model.graph.value_info[:]  # shapes of before
    return model


def _once(found: Channels) -> dict[tuple[str, int], Array]:
    """One cut of each axis: those of a weight that is used twice are joined."""
    return {(cut.name, cut.axis): cut.numbers for cut in found.cuts}


def told(found: Channels, all_groups: Sequence[Group], gone: set[int]) -> list[Json]:
    """How many channels of which layers go, and what stays and why."""
    free = {name: one for one in all_groups if one.stays is None for name in one.names}
    parts = []
    for name in free:
        roots = found.roots(found.layers[name])
        parts.append(f"{name} {len(roots)} to {int((~np.isin(roots, list(gone))).sum())}")
    notes: list[Json] = [f"channels: {', '.join(parts)}"]
    stay = [f"{', '.join(one.names)}: {one.stays}" for one in all_groups if one.stays is not None]
    if stay:
        notes.append(f"whole: {'; '.join(stay[:8])}")
    return notes
