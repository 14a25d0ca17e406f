"""Training in PyTorch: the same seed gives the same weights, on one machine with one PyTorch.

`Loop` is told what the loss of a batch is, and what to do before and after each step.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from registry.errors import Unsupported
from registry.making.optimising.learning import teachers
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.samples import Array, Samples

_STEEPEST = 5.0  # the norm at which gradients are cut
# The loss of a batch: its inputs by name, and the numbers of its samples.
Loss: TypeAlias = Callable[[Mapping[str, Any], Any], Any]


def nothing(_step: int, _of: int) -> None:
    """What is done beside a step that only learns."""


@dataclass(frozen=True, slots=True)
class Loop:
    """`learn` is the recipe's `learn`, as JSON; `after` is called with the number of each step,
    from 1 on, and how many there are."""

    network: Network
    given: Samples
    learn: Mapping[str, Any]
    after: Callable[[int, int], None] = nothing
    beside: Iterable[Mapping[str, Any]] = field(default=())

    def run(self, loss: Loss) -> float:
        """Learn; returns the mean loss of the last epoch. Raises Unsupported where it diverges."""
        said, count = self.learn, len(self.given)
        inputs = {name: torch.from_numpy(rows) for name, rows in self.given.inputs.items()}
        steps = -(-count // said["batch"]) * said["epochs"]
        groups = [{"params": list(self.network.parameters())}, *self.beside]
        rule = torch.optim.AdamW(groups, said["learningRate"], weight_decay=said["weightDecay"])
        rate = torch.optim.lr_scheduler.CosineAnnealingLR(rule, steps)
        random = np.random.default_rng(said["seed"])
        self.network.train()
        done, total = 0, 0.0
        for _ in range(said["epochs"]):
            total = 0.0
            for chosen in _batches(random, count, said["batch"]):
                rule.zero_grad()
                found = loss({name: rows[chosen] for name, rows in inputs.items()}, chosen)
                found.backward()
                torch.nn.utils.clip_grad_norm_(self.network.parameters(), _STEEPEST)
                rule.step()
                rate.step()
                done += 1
                total += float(found.detach()) * len(chosen)
                self.after(done, steps)
        self.network.eval()
        if not np.isfinite(total):
            raise Unsupported("its loss is no number any more", fix="lower learn.learningRate")
        return total / count


def _batches(random: np.random.Generator, count: int, size: int) -> Iterable[Any]:
    order = torch.from_numpy(random.permutation(count))
    yield from order.split(size)


def seeded(learn: Mapping[str, Any]) -> None:
    """PyTorch draws from the seed, and computes the same each time."""
    torch.set_num_threads(learn["threads"])
    torch.manual_seed(learn["seed"])
    torch.use_deterministic_algorithms(mode=True)


def labelled(given: Samples) -> Any:
    """The right answers as a tensor (n)."""
    if given.labels is None:
        raise AssertionError  # a recipe's training data have labels
    return torch.from_numpy(given.labels)


def cross_entropy(scores: Any, labels: Any) -> Any:
    """L(w), of scores (n, classes)."""
    return functional.cross_entropy(scores, labels)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network's answer is: found out before it learns, since it decides the loss."""

    name: str
    classes: int
    is_probability: bool

    def scores(self, found: Any) -> Any:
        """Unnormalised log probabilities (n, classes)."""
        rows = found.reshape(len(found), -1)
        if rows.shape[1] == 1:
            rows = torch.cat([1 - rows, rows], dim=1)
        return torch.log(rows.clamp_min(1e-7)) if self.is_probability else rows


def answer(network: Network, given: Samples, output: str | None) -> Answer:
    """Of the network as it stands; raises Unsupported for classes and other numbers."""
    name = output or network.outputs[0]
    network.eval()
    found = asked(network, given, name, most=64)
    rows = found.reshape(len(found), -1)
    one = rows.shape[1] == 1
    scores: Array = teachers.as_scores(found)
    return Answer(name, scores.shape[1], one or teachers.are_probabilities(rows))


def asked(network: Network, given: Samples, name: str, *, most: int) -> Array:
    """What a network gives in a tensor for the first `most` samples."""
    with torch.no_grad():
        inputs = {key: torch.from_numpy(rows[:most]) for key, rows in given.inputs.items()}
        (found,) = network(inputs, [name])
    rows: Array = found.numpy()
    return rows
