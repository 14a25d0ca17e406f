"""min L(w) + penalty · ‖w‖₀ by hard concrete gates (Louizos, Welling and Kingma 2018).

Each gate is a number in [0, 1] that is 0 with a probability of its own, which is learnt: its
expected ‖w‖₀ has a gradient. ‖w‖₀ is counted as the share of the weights that have gates. For
the last part of learning the gates are what they will be, and the weights adapt to that.
"""

from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import torch

from registry.core.canonical import Json
from registry.making.optimising import channels, layers, pruning, thinning
from registry.making.optimising.dependence import Channels
from registry.making.optimising.learning.guidance import Teacher
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.tuning import Beside, Tuned
from registry.making.optimising.samples import Array
from registry.making.optimising.thinning import Group

_HEAT, _LOW, _HIGH = 2 / 3, -0.1, 1.1  # beta, gamma and zeta of the paper
_OPEN = log(0.9 / 0.1)  # what has learnt already begins with gates that are mostly open
_FASTER = 20.0  # than weights: a gate has as far to go in fewer steps
_SAMPLED = 0.7  # of the steps


class Gates:
    """`count` gates; gate i stands for `sizes[i]` weights."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._logs = torch.nn.Parameter(torch.full((len(sizes),), _OPEN))
        whole = torch.tensor(sizes, dtype=torch.float64)
        self._shares = (whole / whole.sum()).float()
        self._held: Any = None

    def parameters(self, rate: float) -> Mapping[str, Any]:
        """For an optimiser, with a rate of their own."""
        return {"params": [self._logs], "lr": rate * _FASTER, "weight_decay": 0.0}

    def drawn(self) -> Any:
        """The gates of one batch (count): drawn (equations 10 and 11), or as they will be."""
        if self._held is not None:
            return self._held
        u = torch.rand_like(self._logs).clamp(1e-6, 1 - 1e-6)
        s = torch.sigmoid((torch.log(u) - torch.log1p(-u) + self._logs) / _HEAT)
        return (s * (_HIGH - _LOW) + _LOW).clamp(0, 1)

    def settled(self) -> Any:
        """The gates as they are when nothing is drawn (equation 13)."""
        with torch.no_grad():
            return (torch.sigmoid(self._logs) * (_HIGH - _LOW) + _LOW).clamp(0, 1)

    def expected(self) -> Any:
        """The share of weights that is expected to stay (equation 12)."""
        return (torch.sigmoid(self._logs - _HEAT * log(-_LOW / _HIGH)) * self._shares).sum()

    def after(self, step: int, steps: int) -> None:
        """Holds the gates once enough has been drawn."""
        if self._held is None and step >= steps * _SAMPLED:
            self._held = self.settled()


def prune(asked: Mapping[str, Any], teacher: Teacher, target: Path) -> list[Json]:
    """Write the model without what its gates have closed; returns what to tell."""
    if asked["gates"] == "weights":
        return _weights(asked, teacher, target)
    return _channels(asked, teacher, target)


def _learnt(asked: Mapping[str, Any], tuned: Tuned, gates: Gates, instead: Any) -> float:
    return tuned.learn(Beside(
        instead=lambda: instead(gates.drawn()),
        added=lambda: asked["penalty"] * gates.expected(),
        after=gates.after,
        parameters=(gates.parameters(asked["learn"]["learningRate"]),),
    ))  # fmt: skip


def _weights(asked: Mapping[str, Any], teacher: Teacher, target: Path) -> list[Json]:
    """A gate for each weight."""
    tuned = Tuned(asked, teacher, teacher.path)
    found = [
        one for one in pruning.prunable(layers.load(teacher.path), asked["exclude"])
        if one.weight in tuned.network.weights
    ]  # fmt: skip
    sizes = [tuned.network.weights[one.weight].numel() for one in found]
    gates = Gates([1] * sum(sizes))

    def instead(z: Any) -> dict[str, Any]:
        parts = zip(found, z.split(sizes), strict=True)
        weights = tuned.network.weights
        return {one.weight: weights[one.weight] * part.view(one.shape) for one, part in parts}

    last = _learnt(asked, tuned, gates, instead)
    _fold(tuned.network, instead(gates.settled()))
    tuned.written(target)
    tuned.require_alike(target)
    return [*pruning.told(layers.load(target), found), f"its loss at the end {last:.4f}"]


def _channels(asked: Mapping[str, Any], teacher: Teacher, target: Path) -> list[Json]:
    """A gate for each channel, on what takes it: one that is closed can be cut out exactly."""
    model = layers.load(teacher.path)
    found = channels.of(teacher.path, target.parent)
    free = thinning.groups(model, found, asked["exclude"])
    roots = [root for group in free if group.stays is None for root in group.roots]
    tuned = Tuned(asked, teacher, teacher.path)
    gates = Gates(_sizes(tuned.network, found, roots))
    places = _places(tuned.network, found, roots)

    def instead(z: Any) -> dict[str, Any]:
        # One more, always open, for channels that have no gate.
        every, changed = torch.cat([z, torch.ones(1)]), dict[str, Any]()
        for name, axis, index in places:
            weight = changed.get(name, tuned.network.weights[name])
            along = [1] * weight.dim()
            along[axis] = len(index)
            changed[name] = weight * every[index].view(along)
        return changed

    last = _learnt(asked, tuned, gates, instead)
    settled = gates.settled()
    _fold(tuned.network, instead(settled))
    tuned.written(target)
    gone = _closed(roots, settled.numpy(), free)
    layers.save(thinning.without(layers.load(target), found, gone), target)
    tuned.require_alike(target)
    return [*thinning.told(found, free, gone), f"its loss at the end {last:.4f}"]


def _fold(network: Network, changed: Mapping[str, Any]) -> None:
    with torch.no_grad():
        for name, value in changed.items():
            network.weights[name].copy_(value)


def _sizes(network: Network, found: Channels, roots: Sequence[int]) -> list[int]:
    """How many weights go with each channel."""
    counted = dict.fromkeys(roots, 0)
    for cut in found.cuts:
        if cut.name in network.weights:
            weight = network.weights[cut.name]
            each = weight.numel() // weight.shape[cut.axis]
            for root in found.roots(cut.numbers).tolist():
                if root in counted:
                    counted[root] += each
    return [max(1, counted[root]) for root in roots]


def _places(network: Network, found: Channels, roots: Sequence[int]) -> list[tuple[str, int, Any]]:
    """Which gate is at each place along an axis of what takes channels; the last is for none."""
    gate_of = {root: place for place, root in enumerate(roots)}
    listed = dict[tuple[str, int], Any]()
    for cut in found.cuts:
        if not cut.gives and cut.name in network.weights:
            numbers = found.roots(cut.numbers).tolist()
            index = [gate_of.get(root, len(roots)) for root in numbers]
            listed[cut.name, cut.axis] = torch.tensor(index)
    return [(name, axis, index) for (name, axis), index in listed.items()]


def _closed(roots: Sequence[int], z: Array, free: Sequence[Group]) -> set[int]:
    """The channels whose gates are closed; one of each group stays, so that the layer does."""
    value = dict(zip(roots, np.asarray(z).tolist(), strict=True))
    gone = {root for root, gate in value.items() if gate == 0}
    for group in free:
        if group.stays is None and gone.issuperset(group.roots):
            gone.discard(group.roots[0])
    return gone
