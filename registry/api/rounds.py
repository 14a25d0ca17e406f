"""A thread that does the same work again and again, and outlives whatever goes wrong in it."""

import threading
import traceback
from collections.abc import Callable

import structlog

from registry import errors

_GRACE_S = 10.0


class Rounds:
    """`work` after every `rest()` seconds; the first round comes after the first rest.

    A round that fails is logged under `name`, and the next one tries again."""

    def __init__(self, name: str, work: Callable[[], None], rest: Callable[[], float]) -> None:
        self._work = work
        self._rest = rest
        self._log = structlog.get_logger(f"registry.{name}")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def is_over(self) -> bool:
        """Whether a long round is to break off."""
        return self._is_over.is_set()

    def stop(self) -> None:
        """Return once the round under way has ended, or after a moment's patience."""
        self._is_over.set()
        self._thread.join(_GRACE_S)

    def _run(self) -> None:
        while not self._is_over.wait(self._rest()):
            self.round()

    def round(self) -> None:
        """One round, now, on the caller's thread."""
        try:
            self._work()
        except errors.PlimsollError as error:
            self._log.warning("round put off", code=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001  whatever it is, the next round shall be tried
            # The plain traceback: a pretty one would show the values of variables.
            self._log.error("round broke off", traceback=traceback.format_exc())
