"""Which layers do not bear quantisation: each is quantised alone, and its answers compared.

Then all are, and the most fragile are left as they were, one after the other, until few enough
answers change. It looks at calibration data alone: golden data must not have been looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from registry.core.canonical import Json
from registry.making.optimising import asking, quantising
from registry.making.optimising.samples import Array, Samples

_BATCH = 32


@dataclass(frozen=True, slots=True)
class _Fragile:
    """A layer, and how far its quantisation alone moves the scores: the share of their spread."""

    name: str
    moved: float


def quantise(
    source: Path, target: Path, said: Mapping[str, Any], given: Samples, output: str | None
) -> list[Json]:
    """Write the best of it to `target`; returns what to tell."""
    trial = _Trial(source, target, said, given, output)
    asked = said["sensitivity"]
    changed = trial.changed([])
    if changed <= asked["maxChanged"]:
        return [f"no layer was left out: {100 * changed:.2f} % of calibrated answers change"]
    ranked = sorted(trial.fragile(), key=lambda one: -one.moved)
    left: list[str] = []
    for one in ranked[: asked["mostLayers"]]:
        left.append(one.name)
        changed = trial.changed(left)
        if changed <= asked["maxChanged"]:
            break
    most = f"at most {100 * asked['maxChanged']:g} % were asked for"
    return [
        f"left as they were, being fragile: {', '.join(left)}",
        f"{100 * changed:.2f} % of calibrated answers change, {most}",
        "how far each layer alone moves the scores: "
        + ", ".join(f"{one.name} {100 * one.moved:.2f} %" for one in ranked[:8]),
    ]


class _Trial:
    """Quantises again and again, and asks each time."""

    def __init__(
        self, source: Path, target: Path, said: Mapping[str, Any], given: Samples,
        output: str | None,
    ) -> None:  # fmt: skip
        self._source, self._target, self._said = source, target, said
        self._given, self._output = given, output
        asked = asking.load(source, output)
        self._calibration = quantising.calibrating(given, asked.fixed)
        self._before = asked.scores(given, _BATCH)

    def changed(self, leave: list[str]) -> float:
        """The share of answers that differ when all but `leave` are quantised."""
        after = self._made(self._target, leave=leave, only=None)
        return float(np.mean(asking.classes(after) != asking.classes(self._before)))

    def fragile(self) -> list[_Fragile]:
        """Each layer alone."""
        found = []
        alone = self._target.with_suffix(".alone")
        spread = float(np.std(self._before)) or 1.0
        for name in quantising.candidates(self._source, self._said):
            after = self._made(alone, leave=[], only=[name])
            error = float(np.sqrt(np.mean(np.square(after - self._before))))
            found.append(_Fragile(name, error / spread))
        alone.unlink(missing_ok=True)
        return found

    def _made(self, target: Path, *, leave: list[str], only: list[str] | None) -> Array:
        quantising.quantise(
            self._source, target, self._said,
            leave=leave, only=only, calibration=self._calibration,
        )  # fmt: skip
        return asking.load(target, self._output).scores(self._given, _BATCH)
