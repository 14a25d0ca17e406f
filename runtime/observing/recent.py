"""The last answers by request id, summarised, so that a shadow's can be compared with them.

Small outputs are copied as they are and summed up when somebody asks; of a big one, only a
summary of some of its values is kept. So a ring costs a bounded amount of memory, and a request
about a microsecond.
"""

import hashlib
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from registry.core.canonical import Json
from runtime.backends.protocol import Array
from runtime.inference.asked import Outcome
from runtime.observing.current import current
from runtime.observing.summary import summarised

_SMALL_BYTES = 2048
_MOST_OUTPUTS = 16


@dataclass(frozen=True, slots=True)
class _Answer:
    id: str
    at: float
    outputs: dict[str, Array | dict[str, Json]]


class Ring:
    """The last `entries` answers of one version; those to requests without an id aren't kept."""

    def __init__(self, entries: int) -> None:
        self._answers: deque[_Answer] = deque(maxlen=entries)

    def keep(self, outcome: Outcome) -> None:
        found = current().id
        if found:
            outputs = list(outcome.outputs.items())[:_MOST_OUTPUTS]
            kept = {name: _kept(array) for name, array in outputs}
            self._answers.append(_Answer(found, time.time(), kept))

    def document(self, request_id: str = "") -> list[Json]:
        """The newest first; with an id those to that request alone."""
        return [
            {
                "id": one.id,
                "time": round(one.at, 3),
                "outputs": {
                    name: said if isinstance(said, dict) else _told(said)
                    for name, said in one.outputs.items()
                },
            }
            for one in reversed(self._answers)
            if request_id in {"", one.id}
        ]


def _kept(array: Array) -> Array | dict[str, Json]:
    if array.dtype != object and array.nbytes <= _SMALL_BYTES:
        return array.copy()  # it may be a row of a batch, which would be kept whole
    return summarised(array)


def _told(array: Array) -> dict[str, Json]:
    """With a digest, which shows that answers are equal; and with the place of the highest."""
    found = summarised(array)
    found["sha256"] = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    if array.size and array.dtype.kind == "f":
        found["argmax"] = int(array.argmax())
    return found
