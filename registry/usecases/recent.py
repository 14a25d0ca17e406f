"""The last few results of something costly, for as long as the process lives."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from registry.core.identity import Identity

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Remembered:
    """A token that was recognised, until when (monotonic seconds) it need not be looked up.

    With `certificate` (a sha256) it is good only on a connection that showed that one.
    """

    secret_sha256: bytes
    identity: Identity
    until: float
    certificate: str = ""


class Recent(Generic[K, V]):
    """At most `limit` values; the one longest unused goes first. Safe between threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._limit:
                self._values.popitem(last=False)

    def drop(self, key: K) -> None:
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
