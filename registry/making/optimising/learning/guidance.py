"""D(student, teacher): how far a student's batch is from what its teacher said to the same samples.

Hinton, Vinyals and Dean 2015 for softened answers; Romero et al. 2015 for features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from registry.errors import Unsupported
from registry.making.optimising.learning import networks, teachers, training
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.training import Answer
from registry.making.optimising.samples import Array, Samples


@dataclass(frozen=True, slots=True)
class Teacher:
    """Its file, what it is asked, and which of its outputs is the answer."""

    path: Path
    given: Samples
    output: str | None


class Guide:
    """The teacher's part of the loss. `tensors` are what it needs of the student beside answers."""

    def __init__(
        self, said: Mapping[str, Any], teacher: Teacher, student: Path, work: Path
    ) -> None:
        self._said = said
        self.tensors: list[str] = []
        self._map: Any = None
        if said["distance"] == "kl":
            self._wanted = torch.from_numpy(
                teachers.scores(teacher.path, teacher.given, teacher.output)
            )
            return
        tensor = networks.require_tensor(teacher.path, said["features"]["teacher"])
        self.tensors = [networks.require_tensor(student, said["features"]["student"])]
        self._wanted = torch.from_numpy(
            teachers.features(teacher.path, teacher.given, tensor, work)
        )

    def fit(self, network: Network, given: Samples, answer: Answer) -> list[Mapping[str, Any]]:
        """What is learnt beside the network; raises Unsupported where the two do not fit."""
        if not self.tensors:
            classes = self._wanted.shape[1]
            if classes != answer.classes:
                raise Unsupported(
                    f"the student has {answer.classes} classes, its teacher {classes}",
                    fix="give the student's last layer a row for each class of the teacher",
                )
            return []
        found: Array = training.asked(network, given, self.tensors[0], most=2)
        if len(found) != min(2, len(given)):
            raise Unsupported(
                f"{self.tensors[0]} has no row for each sample, so it is no feature of one",
                fix="name a tensor whose first axis is the samples",
            )
        self._map = torch.nn.Linear(found[0].size, self._wanted.shape[1])
        return [{"params": list(self._map.parameters())}]

    def distance(self, scores: Any, tensors: list[Any], chosen: Any) -> Any:
        """alpha · D of one batch: `scores` (n, classes), `tensors` as asked for."""
        wanted, alpha = self._wanted[chosen], self._said["alpha"]
        if self.tensors:
            mapped = self._map(tensors[0].reshape(len(chosen), -1))
            return alpha * functional.mse_loss(mapped, wanted)
        heat = self._said["temperature"]
        return alpha * heat**2 * functional.kl_div(
            torch.log_softmax(scores / heat, dim=1), torch.log_softmax(wanted / heat, dim=1),
            reduction="batchmean", log_target=True,
        )  # fmt: skip
