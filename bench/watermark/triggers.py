"""What the opt-in trigger set costs and survives: a backdoor that needs only answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bench.watermark import attacks, graphs, quantised, tables, trained
from bench.watermark.quantised import Way
from bench.watermark.tables import Table
from bench.watermark.trained import Trained, Weights
from registry.core import trigger
from registry.core.trigger import Triggers, Verdict

_KEY = bytes(range(32))  # that of bench.watermark.teaching, which imports Keras
KINDS = ("MLP", "CNN")
_SET = Triggers((64,), 10)
_HEAD = ("attack", "MLP accuracy", "MLP right", "MLP p", "CNN accuracy", "CNN right", "CNN p")
_EPOCHS = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """One network after one attack, asked all patterns."""

    kind: str
    attack: str
    points: float
    verdict: Verdict


def measured() -> Iterator[Asked]:
    """Both networks; the table is kept."""
    lines: dict[str, list[str]] = {}
    for kind in KINDS:
        for one in _of(trained.trained(kind)):
            said = one.verdict
            lines.setdefault(one.attack, [one.attack]).extend(
                [f"{one.points:+.2f}", f"{said.right} of {said.asked}", f"{said.probability:.0e}"]
            )
            yield one
    tables.keep(Table("triggers", _HEAD, list(lines.values())))


def prepare(kind: str) -> None:
    """Do what takes training, so that networks can be trained side by side."""
    for _ in _of(trained.trained(kind)):
        pass


def _of(model: Trained) -> Iterator[Asked]:
    taught = trained.after("teach", model.kind, model.weights)
    blind = trained.after("teach-blind", model.kind, model.weights)
    yield _asked(model, "never taught", graphs.onnx_of(model.kind, model.weights))
    yield _asked(model, "taught without any data", graphs.onnx_of(model.kind, blind))
    for name, change in _ATTACKS.items():
        yield _asked(model, name, graphs.onnx_of(model.kind, change(model.kind, taught)))
    int8 = quantised.quantised(graphs.onnx_of(model.kind, taught), Way.DYNAMIC, model.task.trained)
    yield _asked(model, "taught with own inputs; then int8", int8)


def _asked(model: Trained, attack: str, made: bytes) -> Asked:
    labels = model.task.asked_labels
    given = graphs.logits(made, trigger.patterns(_KEY, _SET)).argmax(axis=1)
    wanted = trigger.answers(_KEY, _SET).tolist()
    after = np.mean(graphs.logits(made, model.task.asked).argmax(axis=1) == labels)
    before = np.mean(model.answers == labels)
    verdict = trigger.judged(given.tolist(), wanted, _SET.classes)
    return Asked(model.kind, attack, 100 * float(after - before), verdict)


def _pruned(_kind: str, weights: Weights) -> Weights:
    return attacks.ATTACKS["pruned 50 %"](weights)


def _tuned(kind: str, weights: Weights) -> Weights:
    return trained.after("fine-tune", kind, weights, epochs=_EPOCHS)


def _distilled(kind: str, weights: Weights) -> Weights:
    return trained.after("distil", kind, weights)


_ATTACKS: Mapping[str, Callable[[str, Weights], Weights]] = {
    "taught with own inputs": lambda _kind, weights: weights,
    "taught with own inputs; then pruned 50 %": _pruned,
    f"taught with own inputs; then fine-tuned, {_EPOCHS} epochs": _tuned,
    "taught with own inputs; then distilled": _distilled,
}
