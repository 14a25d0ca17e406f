"""Pruning that learns: weights that are gone stay gone, and the others make up for them.

Sparsity grows as Zhu and Gupta 2017 have it, s(t) = s + (s0 - s)(1 - t/n)³; channels are taken
out first, and what is left learns; gates are in `gates`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from registry.core.canonical import Json
from registry.making.optimising import layers, pruning, thinning
from registry.making.optimising.layers import Layer
from registry.making.optimising.learning import distilling, gates
from registry.making.optimising.learning.guidance import Teacher
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.tuning import Beside, Tuned


def prune(said: Mapping[str, Any], target: Path) -> list[Json]:
    """Write the pruned model that a job's request `said` asks for; returns what to tell."""
    asked, source = said["step"]["prune"], Path(said["model"])
    teacher = Teacher(source, distilling.training_data(said, source), said.get("output"))
    match asked["method"]:
        case "channels":
            return _channels(asked, teacher, target)
        case "l0":
            return gates.prune(asked, teacher, target)
        case _:
            return _weights(asked, teacher, target)


def _channels(asked: Mapping[str, Any], teacher: Teacher, target: Path) -> list[Json]:
    thin = target.with_name("thin.onnx")
    notes = thinning.prune(teacher.path, thin, asked)
    tuned = Tuned(asked, teacher, thin)
    last = tuned.learn(Beside())
    tuned.written(target)
    tuned.require_alike(target)
    thin.unlink()
    return [*notes, f"its loss at the end of learning {last:.4f}"]


def _weights(asked: Mapping[str, Any], teacher: Teacher, target: Path) -> list[Json]:
    model = layers.load(teacher.path)
    tuned = Tuned(asked, teacher, teacher.path)
    masks = Masks(tuned.network, pruning.prunable(model, asked["exclude"]), asked)
    last = tuned.learn(Beside(after=masks.after))
    tuned.written(target)
    tuned.require_alike(target)
    notes = pruning.told(layers.load(target), masks.layers)
    return [*notes, f"its loss at the end of learning {last:.4f}"]


class Masks:
    """Which weights stay, decided again and again until sparsity has grown, then held."""

    def __init__(self, network: Network, found: list[Layer], asked: Mapping[str, Any]) -> None:
        self._network, self._asked = network, asked
        self.layers = [one for one in found if one.weight in network.weights]
        self._masks: Mapping[str, Any] = {}
        schedule = asked.get("schedule")
        self._decide(schedule["start"] if schedule else asked.get("sparsity", 0.0))
        self._hold()

    def after(self, step: int, steps: int) -> None:
        """What is done after each step of learning."""
        schedule = self._asked.get("schedule")
        if schedule:
            grown = max(1, round(steps * schedule["ramp"]))
            if step <= grown and (step % schedule["every"] == 0 or step == grown):
                self._decide(share(self._asked["sparsity"], schedule["start"], step / grown))
        self._hold()

    def _decide(self, sparsity: float) -> None:
        weights = {
            one.weight: self._network.weights[one.weight].detach().numpy() for one in self.layers
        }
        found = pruning.masks(self.layers, weights, self._asked, sparsity)
        self._masks = {name: torch.from_numpy(mask.copy()) for name, mask in found.items()}

    def _hold(self) -> None:
        with torch.no_grad():
            for name, mask in self._masks.items():
                self._network.weights[name].mul_(mask)


def share(end: float, start: float, done: float) -> float:
    """The sparsity when `done` of the growing is done (Zhu and Gupta 2017, equation 1)."""
    return float(end + (start - end) * (1 - min(1.0, done)) ** 3)
