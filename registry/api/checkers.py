"""Threads that check pending versions, in every process of the registry."""

import secrets
import threading
import traceback

import structlog

from registry import errors
from registry.usecases.opening import Registry

_LOG = structlog.get_logger("registry.checkers")
_LOOK_EVERY = 2.0
_GRACE = 5.0


class Checkers:
    """`count` threads. A check that is under way at the end is left to the next process."""

    def __init__(self, registry: Registry, count: int = 2) -> None:
        self._registry = registry
        self._is_over = threading.Event()
        self._woken = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"checker {number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def wake(self) -> None:
        """Look for a pending version now."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no other check; wait a little for those under way."""
        self._is_over.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(_GRACE)

    def _run(self) -> None:
        worker = secrets.token_hex(8)
        while not self._is_over.is_set():
            if not self._settle(worker) and not self._is_over.is_set():
                self._woken.wait(_LOOK_EVERY)
                self._woken.clear()

    def _settle(self, worker: str) -> bool:
        """Whether there may be another; a failure is told here and taken up again later."""
        # Heavy: loaded here, the registry is ready before.
        from registry.usecases import settling  # noqa: PLC0415

        try:
            return settling.settle_next(self._registry, worker)
        except errors.PlimsollError as error:
            _LOG.warning("check put off", code=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001  whatever it is, the next version shall be checked
            # The plain traceback: a pretty one would show the values of variables.
            _LOG.error("check broke off", traceback=traceback.format_exc())
        return False
