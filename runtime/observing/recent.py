"""The last answers by request id, summarised, so that a shadow's can be compared with them.

Small outputs are copied as they are and summed up when somebody asks; of a big one, only a
summary of some of its values is kept. So a ring costs a bounded amount of memory, and a request
about a microsecond. While somebody compares, small inputs are kept as well: a copy of a request
has its inputs, whatever its client and the proxy make of ids.
"""

import hashlib
import math
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from registry.core.canonical import Json
from runtime.backends import bfloat16
from runtime.backends.protocol import Array, Arrays
from runtime.inference.asked import Asked, Outcome
from runtime.observing.current import current
from runtime.observing.summary import summarised

_SMALL_BYTES = 2048
_SMALL_INPUT_BYTES = 16_384
_MOST_OUTPUTS = 16


@dataclass(frozen=True, slots=True)
class _Answer:
    number: int
    id: str
    at: float
    inputs: Arrays | None
    outputs: dict[str, Array | dict[str, Json]]


class Ring:
    """The last `entries` answers of one version; those to requests without an id are only kept
    while somebody compares."""

    def __init__(self, entries: int) -> None:
        self._answers: deque[_Answer] = deque(maxlen=entries)
        self._number = 0
        self._matching_until = 0.0

    def match(self, seconds: float) -> None:
        """Keep, for so long from now, what tells that two requests had the same inputs."""
        self._matching_until = time.monotonic() + seconds

    def keep(self, asked: Asked, outcome: Outcome) -> None:
        found = current().id
        is_matching = self._matching_until and time.monotonic() < self._matching_until
        if found or is_matching:
            outputs = list(outcome.outputs.items())[:_MOST_OUTPUTS]
            kept = {name: _kept(array) for name, array in outputs}
            inputs = _small(asked.inputs) if is_matching else None
            self._number += 1
            self._answers.append(_Answer(self._number, found, time.time(), inputs, kept))

    def document(self, request_id: str = "", *, values: bool = False) -> list[Json]:
        """The newest first; with an id those to that request alone. With `values` those of small
        outputs, null for what is not finite."""
        return [
            _document(one, values=values)
            for one in reversed(self._answers)
            if request_id in {"", one.id}
        ]


def _document(one: _Answer, *, values: bool) -> dict[str, Json]:
    outputs: dict[str, Json] = {
        name: said if isinstance(said, dict) else _told(said, values=values)
        for name, said in one.outputs.items()
    }
    found: dict[str, Json] = {
        "number": one.number, "id": one.id, "time": round(one.at, 3), "outputs": outputs,
    }  # fmt: skip
    return found if one.inputs is None else {**found, "inputs": _digest(one.inputs)}


def _kept(array: Array) -> Array | dict[str, Json]:
    if _bytes(array) <= _SMALL_BYTES:
        return array.copy()  # it may be a row of a batch, which would be kept whole
    return summarised(array)


def _small(inputs: Arrays) -> Arrays | None:
    """Copies; None where they are too big to keep."""
    if sum(_bytes(array) for array in inputs.values()) > _SMALL_INPUT_BYTES:
        return None
    return {name: array.copy() for name, array in inputs.items()}


def _bytes(array: Array) -> int:
    if array.dtype != object:
        return array.nbytes
    return array.nbytes + sum(map(len, array.reshape(-1)))


def _digest(inputs: Arrays) -> str:
    """Of names, types, shapes and bytes, each with its length."""
    found = hashlib.sha256()
    for name, array in sorted(inputs.items()):
        head = repr((name, str(array.dtype), array.shape)).encode()
        for part in (head, *_parts(array)):
            found.update(len(part).to_bytes(8, "big"))
            found.update(part)
    return found.hexdigest()


def _parts(array: Array) -> list[bytes]:
    if array.dtype == object:
        return [len(item).to_bytes(8, "big") + item for item in array.reshape(-1)]
    return [np.ascontiguousarray(array).tobytes()]


def _told(array: Array, *, values: bool) -> dict[str, Json]:
    """With a digest, which shows that answers are equal; and with the place of the highest."""
    found = summarised(array)
    digest = hashlib.sha256()
    for part in _parts(array):
        digest.update(part)
    found["sha256"] = digest.hexdigest()
    if array.size and array.dtype.kind == "f":
        found["argmax"] = int(array.argmax())
    if values and array.dtype != object:
        numbers = bfloat16.numbers(array.reshape(-1)).astype(np.float64).tolist()
        found["values"] = [one if math.isfinite(one) else None for one in numbers]
    return found
