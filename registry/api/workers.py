"""Threads that take one piece of work after the other, in every process of the registry."""

import secrets
import threading
import traceback
from collections.abc import Callable

import structlog

from registry import errors

_GRACE_S = 5.0


class Workers:
    """`count` threads called `name`. `one` does a piece of work for the worker of that id, and says
    whether there may be another; else it is asked again after `rest_s`, or once somebody wakes it.

    A failure is logged, and the work taken up again later. What is under way at the end is left to
    the next process.
    """

    def __init__(
        self, name: str, count: int, one: Callable[[str], bool], *, rest_s: float = 2.0
    ) -> None:
        self._name = name
        self._one = one
        self._rest_s = rest_s
        self._log = structlog.get_logger(f"registry.{name}s")
        self._is_over = threading.Event()
        self._woken = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name} {number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def is_over(self) -> bool:
        """Whether long work is to break off."""
        return self._is_over.is_set()

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    def stop(self) -> None:
        """Begin nothing more; wait a little for what is under way."""
        self._is_over.set()
        self._woken.set()
        for thread in self._threads:
            thread.join(_GRACE_S)

    def _run(self) -> None:
        worker = secrets.token_hex(8)
        while not self._is_over.is_set():
            if not self._done(worker) and not self._is_over.is_set():
                self._woken.wait(self._rest_s)
                self._woken.clear()

    def _done(self, worker: str) -> bool:
        try:
            return self._one(worker)
        except errors.PlimsollError as error:
            self._log.warning(f"{self._name} put it off", code=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001  whatever it is, the next piece shall be done
            # The plain traceback: a pretty one would show the values of variables.
            self._log.error(f"{self._name} broke off", traceback=traceback.format_exc())
        return False
