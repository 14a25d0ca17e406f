"""What the mark alone costs: ten copies of each network, asked what they had not learnt from."""

from dataclasses import dataclass

import numpy as np

from bench.watermark import finding, tables, trained
from bench.watermark.tables import Table

KINDS = ("MLP", "CNN", "transformer")
_COPIES = 10
_HEAD = (
    "network", "marked weights", "α", "asked", "accuracy", "of ten copies", "worst copy",
    "same answers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Distortion:
    """Accuracies are shares; `agreement` is how often a copy answers what the original does."""

    kind: str
    weights: int
    alpha: float
    asked: int
    before: float
    after: tuple[float, ...]
    agreement: float

    @property
    def points(self) -> float:
        """The mean loss, in points; negative where the copies are better."""
        return 100 * (self.before - float(np.mean(self.after)))


def measured() -> list[Distortion]:
    """All three networks; the table is kept."""
    found = [_of(kind) for kind in KINDS]
    tables.keep(Table("distortion", _HEAD, [_cells(one) for one in found]))
    return found


def _of(kind: str) -> Distortion:
    model = trained.trained(kind)
    version = finding.version(model.weights)
    given, labels = model.answers, model.task.asked_labels
    copies = (version.copy(f"host-{number}") for number in range(_COPIES))
    answers = np.stack([trained.answers(kind, copy, model.task) for copy in copies])
    return Distortion(
        kind,
        version.weights,
        version.alpha,
        len(labels),
        float(np.mean(given == labels)),
        tuple((answers == labels).mean(axis=1).tolist()),
        float(np.mean(answers == given)),
    )


def _cells(one: Distortion) -> list[str]:
    return [
        one.kind, f"{one.weights:,}", f"{one.alpha:.4f}", f"{one.asked:,}",
        f"{100 * one.before:.2f} %", f"{100 * np.mean(one.after):.2f} % ({-one.points:+.2f})",
        f"{100 * min(one.after):.2f} %", f"{100 * one.agreement:.2f} %",
    ]  # fmt: skip
