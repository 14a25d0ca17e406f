"""A network that is there already learns on: its loss, and what it is compared with afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from registry.making.optimising.learning import alike, teachers, training
from registry.making.optimising.learning.guidance import Guide, Teacher
from registry.making.optimising.learning.networks import Network
from registry.making.optimising.learning.training import Loop
from registry.making.optimising.samples import Array

# What stands in for weights in a batch, and what is added to its loss.
Instead: TypeAlias = Callable[[], Mapping[str, Any]]
Added: TypeAlias = Callable[[], Any]


def _as_it_is() -> Mapping[str, Any]:
    return {}


def _nothing() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Beside:
    """What happens beside learning: see `Instead`, `Added` and `Loop`."""

    instead: Instead = _as_it_is
    added: Added = _nothing
    after: Callable[[int, int], None] = training.nothing
    parameters: tuple[Mapping[str, Any], ...] = ()


class Tuned:
    """A network from the file `begun` that learns as `asked` says (the step, as JSON), guided by
    its teacher where `guidance` is asked for."""

    def __init__(self, asked: Mapping[str, Any], teacher: Teacher, begun: Path) -> None:
        training.seeded(asked["learn"])
        self.network = Network(begun)
        self._asked, self._given = asked, teacher.given
        teachers.require_inputs(list(teacher.given.inputs), self.network.inputs)
        self._answer = training.answer(self.network, teacher.given, teacher.output)
        self._labels = training.labelled(teacher.given)
        teachers.require_classes(self._labels.numpy(), self._answer.classes)
        self._guide = None
        self._mapped: list[Mapping[str, Any]] = []
        if asked.get("guidance"):
            self._guide = Guide(asked["guidance"], teacher, begun, begun.parent)
            self._mapped = self._guide.fit(self.network, teacher.given, self._answer)

    def learn(self, beside: Beside) -> float:
        """Returns the mean loss of the last epoch."""
        wanted = [self._answer.name, *(self._guide.tensors if self._guide else [])]

        def loss(inputs: Mapping[str, Any], chosen: Any) -> Any:
            found, *tensors = self.network(inputs, wanted, beside.instead())
            scores = self._answer.scores(found)
            whole = training.cross_entropy(scores, self._labels[chosen]) + beside.added()
            if self._guide is not None:
                whole = whole + self._guide.distance(scores, tensors, chosen)
            return whole

        groups = [*self._mapped, *beside.parameters]
        loop = Loop(self.network, self._given, self._asked["learn"], beside.after, groups)
        return loop.run(loss)

    def written(self, target: Path, instead: Mapping[str, Array] | None = None) -> None:
        """The graph with what was learnt."""
        self.network.write(target, instead)

    def require_alike(self, target: Path) -> None:
        """Raises Unsupported where onnxruntime answers otherwise than what has learnt."""
        alike.require(self.network, target, self._given, self._answer)
