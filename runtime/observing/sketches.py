"""The sketches of one version: one for each input and output, of some inferences a second.

So many a second, and not one in so many: the cost stays the same under any load. The first
inference after a pause is always among them.
"""

import time

from registry.core.canonical import Json
from runtime.backends.protocol import Arrays
from runtime.inference.asked import Asked, Outcome
from runtime.observing.sketch import Sketch

_MOST_TENSORS = 64


class Sketches:
    """Since the version was loaded; `seen` inferences are in the sketches."""

    def __init__(self, per_second: int) -> None:
        self._pause = 1 / per_second
        self._next = 0.0
        self._since = time.time()
        self._seen = 0
        self._sides: dict[str, dict[str, Sketch]] = {"inputs": {}, "outputs": {}}

    def look(self, asked: Asked, outcome: Outcome) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause
        self._seen += 1
        self._add("inputs", asked.inputs)
        self._add("outputs", outcome.outputs)

    def document(self) -> dict[str, Json]:
        sides: dict[str, Json] = {
            side: {name: sketch.document() for name, sketch in found.items()}
            for side, found in self._sides.items()
        }
        return {"since": round(self._since, 3), "seen": self._seen, **sides}

    def _add(self, side: str, arrays: Arrays) -> None:
        found = self._sides[side]
        for name, array in arrays.items():
            sketch = found.get(name)
            if sketch is None:
                if len(found) >= _MOST_TENSORS:
                    continue
                sketch = found[name] = Sketch()
            sketch.add(array)
