"""Listens to one host's engine, and wakes the loop at once when something happens there.

Events are hints: each connection begins with a full look, since what happened before it was
heard by nobody; and the loop looks by itself from time to time (`lanes`), whoever listens.
"""

import threading
from collections.abc import Callable

import structlog

from reconciler.engines.protocol import Changes
from registry import errors

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

log = structlog.get_logger()


class Watcher:
    """One thread; `listen` connects, and `wake` is called for each change and each connection."""

    def __init__(
        self, host: str, *, listen: Callable[[], Changes], wake: Callable[[], None]
    ) -> None:
        self._host = host
        self._listen = listen
        self._wake = wake
        self._closed = threading.Event()
        self._changing = threading.Lock()
        self._changes: Changes | None = None
        self._follows = False
        # A daemon: it may sit in a connect that only its time limit ends.
        self._thread = threading.Thread(target=self._run, name=f"watch-{host}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; `wake` is not called once this has returned, but for one under way."""
        self._closed.set()
        with self._changing:
            changes = self._changes
        if changes is not None:
            changes.close()

    @property
    def is_listening(self) -> bool:
        """Whether what happens on the host now would be heard."""
        return self._follows

    def join(self, timeout: float) -> bool:
        """Whether the thread has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            failures = 0 if self._heard() else failures + 1
            self._closed.wait(min(_FIRST_PAUSE_S * 2.0 ** min(failures, 10), _LONGEST_PAUSE_S))

    def _heard(self) -> bool:
        """Listen until the connection ends; False when there was none."""
        try:
            changes = self._listen()
        except errors.PlimsollError as error:
            log.info("not listening", host=self._host, error=error.detail)
            return False
        with self._changing:
            self._changes = changes
        try:
            self._follow(changes)
        finally:
            self._follows = False
            changes.close()
        return True

    def _follow(self, changes: Changes) -> None:
        if self._closed.is_set():
            return
        self._follows = True
        self._wake()
        for what in changes:
            if self._closed.is_set():
                return
            log.info("changed", host=self._host, what=what)
            self._wake()
        self._follows = False
        if not self._closed.is_set():
            log.info("stopped hearing", host=self._host)
            self._wake()
