"""One making of a thing for all who want it at once, in a thread of its own.

Who wants it waits, so long and no longer; the making goes on without him, and whoever asks again
finds it. Only a few may wait at a time: the threads that they wait in are those that answer.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from registry import errors

K = TypeVar("K")
V = TypeVar("V")

_WAITING = 8


class Once(Generic[K, V]):
    """One for each kind of thing that is made; safe from any number of threads."""

    def __init__(self, *, patience: float) -> None:
        self._patience = patience
        self._makers = ThreadPoolExecutor(
            max((os.cpu_count() or 1) // 2, 1), thread_name_prefix="making"
        )
        self._making: dict[K, Future[V]] = {}
        self._lock = threading.Lock()
        self._places = threading.Semaphore(_WAITING)
        self._is_ending = False

    def get(self, key: K, make: Callable[[], V]) -> V:
        """What `make` gives, or raises; Busy where that takes longer than anybody waits."""
        with self._lock:
            making = self._making.get(key)
            if making is None:
                making = self._making[key] = self._submitted(key, make)
        if not self._places.acquire(blocking=False):
            raise _busy()
        try:
            return making.result(self._patience)
        except TimeoutError as error:
            raise _busy() from error
        except CancelledError as error:
            raise _ending() from error
        finally:
            self._places.release()

    @property
    def count(self) -> int:
        """How many things are being made, or wait for that."""
        return len(self._making)

    def require_going_on(self) -> None:
        """For who makes, now and then: raise Unavailable where the process is about to end."""
        if self._is_ending:
            raise _ending()

    def close(self) -> None:
        """End what is being made, and wait for that."""
        self._is_ending = True
        self._makers.shutdown(cancel_futures=True)

    def _submitted(self, key: K, make: Callable[[], V]) -> Future[V]:
        if self._is_ending:
            raise _ending()
        return self._makers.submit(self._made, key, make)

    def _made(self, key: K, make: Callable[[], V]) -> V:
        try:
            return make()
        finally:
            with self._lock:
                self._making.pop(key, None)


def _busy() -> errors.Busy:
    return errors.Busy("it is still being made, and that goes on", fix="ask again in some seconds")


def _ending() -> errors.Unavailable:
    return errors.Unavailable("the registry is about to end", fix="ask again when it is back")
