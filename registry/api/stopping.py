"""Tells everything that runs without end, and readiness, that this process is about to stop."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stopping:
    """Set once, from the server's thread; `listening` is called then, or at once if it is late."""

    def __init__(self) -> None:
        self._has_begun = threading.Event()
        self._listeners: set[Callable[[], None]] = set()

    def has_begun(self) -> bool:
        return self._has_begun.is_set()

    def begin(self) -> None:
        self._has_begun.set()
        for tell in tuple(self._listeners):
            tell()

    @contextmanager
    def listening(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell`, which must be quick and never raise, when stopping begins."""
        self._listeners.add(tell)
        if self._has_begun.is_set():
            tell()
        try:
            yield
        finally:
            self._listeners.discard(tell)
