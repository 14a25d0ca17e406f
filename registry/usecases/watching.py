"""Notices that the log has grown: at once where this process appended, else within a second.

One look at the log's head for the whole process, however many wait for what comes next.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from registry import errors
from registry.usecases import log
from registry.usecases.opening import Registry

_LOOK_EVERY = 1.0
# Of a burst of entries one look is enough.
_BURST = 0.05


class LogWatch:
    """Tells whoever listens, from its own thread, that there are new entries."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._listeners: set[Callable[[], None]] = set()
        self._seen = -1
        self._is_over = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log watch", daemon=True)

    def start(self) -> None:
        self._registry.database.listeners.append(self._heard)
        self._thread.start()

    def stop(self) -> None:
        """Return once no listener is called any more."""
        self._is_over.set()
        self._woken.set()
        self._thread.join()
        self._registry.database.listeners.remove(self._heard)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @contextmanager
    def listening(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell`, which must be quick and never raise, whenever the log has grown."""
        self._listeners.add(tell)
        try:
            yield
        finally:
            self._listeners.discard(tell)

    def _heard(self, _kinds: Sequence[str]) -> None:
        self._woken.set()

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._woken.wait(_LOOK_EVERY)
            self._is_over.wait(_BURST)
            self._woken.clear()
            # While the database is away there is nothing new either.
            with suppress(errors.PlimsollError):
                self._look()

    def _look(self) -> None:
        size = log.size(self._registry)
        if size != self._seen:
            self._seen = size
            for tell in tuple(self._listeners):
                tell()
