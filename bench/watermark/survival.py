"""One leaked copy of each network, attacked in each way: is its recipient still named?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.watermark import attacks, finding, graphs, permuting, quantised, tables, trained
from bench.watermark.quantised import Way
from bench.watermark.tables import Table
from bench.watermark.tasks import Array
from bench.watermark.trained import Trained, Weights

GUILTY = "host-0"
INNOCENT = tuple(f"host-{number}" for number in range(1, 21))
_FINE_TUNED = {"MLP": 6, "CNN": 4, "transformer": 1}
_REPLACED = ("MLP", "CNN")  # a third would take longer to train than it would tell
_HEAD = (
    "attack", "accuracy", "same answers", "owner, blind", "host, blind", "host, informed",
    "best of 20 innocent", "named",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Survived:
    """What is left after one attack. Accuracies are shares, scores are standard deviations."""

    kind: str
    attack: str
    accuracy: float
    before: float
    agreement: float
    found: finding.Found

    @property
    def points(self) -> float:
        """What the attack cost, the mark included."""
        return 100 * (self.accuracy - self.before)


@dataclass(frozen=True, slots=True)
class Suspect:
    """What somebody has: arrays to look into, and the answers that they give."""

    arrays: Weights
    answers: Array


def prepare(kind: str) -> None:
    """Do what takes training, so that networks can be trained side by side."""
    model = trained.trained(kind)
    copy = finding.version(model.weights).copy(GUILTY)
    for attack in _with_training(model).values():
        attack(copy)


def measured(kind: str) -> Iterator[Survived]:
    """All attacks on one network; the table is kept."""
    model = trained.trained(kind)
    version = finding.version(model.weights)
    copy = version.copy(GUILTY)
    given, labels, lines = model.answers, model.task.asked_labels, list[Survived]()
    for name, attack in {**_without_training(model), **_with_training(model)}.items():
        suspect = attack(copy)
        one = Survived(
            kind,
            name,
            float(np.mean(suspect.answers == labels)),
            float(np.mean(given == labels)),
            float(np.mean(suspect.answers == given)),
            version.found(suspect.arrays, GUILTY, INNOCENT),
        )
        lines.append(one)
        yield one
    tables.keep(Table(f"survival-{kind.lower()}", _HEAD, [_cells(one) for one in lines]))


def _cells(one: Survived) -> list[str]:
    found = one.found
    return [
        one.attack, f"{100 * one.accuracy:.1f} ({one.points:+.1f})", f"{100 * one.agreement:.1f}",
        f"{found.owner_blind:.1f}", f"{found.blind:.1f}", f"{found.informed:.1f}",
        f"{found.innocent:.1f}", "yes" if found.is_named else "**no**",
    ]  # fmt: skip


def _without_training(model: Trained) -> Mapping[str, Callable[[Weights], Suspect]]:
    def of(change: Callable[[Weights], Weights], copy: Weights) -> Suspect:
        return _asked(model, change(copy))

    permuted = partial(permuting.permuted, layers=permuting.HIDDEN[model.kind], seed=1)
    found: dict[str, Callable[[Weights], Suspect]] = {
        name: partial(of, attack) for name, attack in attacks.ATTACKS.items()
    }
    found["to ONNX: transposed, renamed, batch norm folded"] = partial(_converted, model)
    found |= {str(way): partial(_quantised, model, way) for way in Way}
    found["neurons permuted and rescaled"] = partial(of, permuted)
    if model.kind == "transformer":
        turned = partial(permuting.turned, seed=1)
        found["… and the residual stream"] = partial(of, lambda copy: turned(permuted(copy)))
    return found


def _with_training(model: Trained) -> Mapping[str, Callable[[Weights], Suspect]]:
    kind, epochs = model.kind, _FINE_TUNED[model.kind]

    def after(work: str, copy: Weights) -> Suspect:
        return _asked(model, trained.after(work, kind, copy, epochs=epochs))

    def combined(copy: Weights) -> Suspect:
        tuned = trained.after("fine-tune", kind, copy, epochs=epochs)
        return _quantised(model, Way.DYNAMIC, attacks.ATTACKS["pruned 50 %"](tuned))

    found: dict[str, Callable[[Weights], Suspect]] = {
        "a second mark of the same strength": lambda copy: _asked(model, finding.overwritten(copy)),
        "a second mark of α = 0.2": lambda copy: _asked(model, finding.overwritten(copy, 0.2)),
        f"fine-tuned, epochs: {epochs}": partial(after, "fine-tune"),
        "fine-tuned, pruned 50 %, int8": combined,
    }
    if kind in _REPLACED:
        found["distilled into a new network"] = partial(after, "distil")
        found["trained anew on the same data"] = lambda _copy: _asked(
            model, trained.after("train", kind, {}, seed=2)
        )
    return found


def _asked(model: Trained, weights: Weights) -> Suspect:
    return Suspect(weights, trained.answers(model.kind, weights, model.task))


def _converted(model: Trained, copy: Weights) -> Suspect:
    converted = graphs.onnx_of(model.kind, copy)
    return Suspect(quantised.weights(converted), _answers(converted, model))


def _quantised(model: Trained, way: Way, copy: Weights) -> Suspect:
    converted = graphs.onnx_of(model.kind, copy)
    made = quantised.quantised(
        converted, way, model.task.trained[:: len(model.task.trained) // 200]
    )
    return Suspect(quantised.weights(made), _answers(made, model))


def _answers(model: bytes, asked: Trained) -> Array:
    return graphs.logits(model, asked.task.asked).argmax(axis=1)
