"""Two to sixteen hosts put their copies together: how many of them are still named?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.watermark import collusion, finding, tables, trained
from bench.watermark.tables import Table
from registry.core.watermark.findings import Detector, Score

SIZES = (2, 4, 8, 16)
_GUILTY = tuple(f"host-{number}" for number in range(max(SIZES)))
_INNOCENT = tuple(f"innocent-{number}" for number in range(50))
_HEAD = ("made of the copies", *(f"{size} hosts" for size in SIZES))


@dataclass(frozen=True, slots=True)
class Collusion:
    """How many of the colluders are named, the weakest of their scores, and accuracy lost."""

    kind: str
    how: str
    size: int
    named: int
    weakest: float
    innocent: float
    accused: int
    points: float

    @property
    def is_promised(self) -> bool:
        """Up to eight hosts who only mix their copies; what more they do is shown, not promised."""
        return self.size <= 8 and "noise" not in self.how


def measured(kind: str) -> Iterator[Collusion]:
    """Every way of colluding, by every number of hosts; the table is kept."""
    model = trained.trained(kind)
    version = finding.version(model.weights)
    copies = [version.copy(name) for name in _GUILTY]
    labels = model.task.asked_labels
    before = float(np.mean(model.answers == labels))
    lines: dict[str, list[Collusion]] = {how: [] for how in collusion.COLLUSIONS}
    for how, collude in collusion.COLLUSIONS.items():
        for size in SIZES:
            made = collusion.together(copies[:size], collude, seed=size)
            scores = version.scores(made, [*_GUILTY[:size], *_INNOCENT])
            best = {
                name: max((scores[name, how_found] for how_found in Detector), key=_clearest)
                for name in (*_GUILTY[:size], *_INNOCENT)
            }
            guilty = [best[name] for name in _GUILTY[:size]]
            innocent = [best[name] for name in _INNOCENT]
            after = float(np.mean(trained.answers(kind, made, model.task) == labels))
            one = Collusion(
                kind,
                how,
                size,
                sum(score.u >= finding.THRESHOLD for score in guilty),
                min(score.z for score in guilty),
                max(score.z for score in innocent),
                sum(score.u >= finding.THRESHOLD for score in innocent),
                100 * (after - before),
            )
            lines[how].append(one)
            yield one
    rows = [[how, *map(_cell, ones)] for how, ones in lines.items()]
    tables.keep(Table(f"collusion-{kind.lower()}", _HEAD, rows))


def _clearest(score: Score) -> float:
    return score.u


def _cell(one: Collusion) -> str:
    said = f"{one.named} of {one.size}"
    return f"{said if one.named == one.size else f'**{said}**'}, z ≥ {one.weakest:.1f}"
