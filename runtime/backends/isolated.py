"""A version in a process of its own: it may crash, hang or run out of memory, and alone does so.

Requests inside it then get a 503 that says how it ended; it is started again, later each time it
ends soon. Meanwhile `trouble` says why the version does not answer, and the host is not ready.
"""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from registry.errors import Unavailable
from runtime.backends.protocol import Array, Arrays, Call, Settings
from runtime.backends.worker import Ended, Worker

_FIRST_DELAY_SECONDS = 0.2
_LONGEST_DELAY_SECONDS = 30.0
_WELL_AFTER_SECONDS = 60.0
# For who asks in the moment in which one process takes another's place.
_BETWEEN = "the model's own process was lost; it is started again"
_log = logging.getLogger("plimsoll.runtime")


class IsolatedBackend:
    """See `Backend`. The first process is started here; raises `UnsafeModel` where it cannot,
    and `Unavailable` where it is killed over that."""

    calls: Mapping[str, Call]

    def __init__(self, form: str, files: Path, settings: Settings) -> None:
        self._arguments = form, files, settings
        self._changing = threading.Lock()
        self._closed = threading.Event()
        self._delay = _FIRST_DELAY_SECONDS
        self.trouble = ""
        self._worker: Worker | None = Worker(*self._arguments)
        self._since = time.monotonic()
        self.calls = self._worker.calls

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        """See `Backend.run`; raises `Unavailable` too."""
        worker = self._worker
        if worker is None:
            gone = "the version was unloaded" if self._closed.is_set() else _BETWEEN
            raise Unavailable(self.trouble or gone, fix="try again in a moment")
        try:
            return worker.run(call, inputs)
        except Ended as ended:
            self._lose(worker, f"the model's own process {ended}")
            raise Unavailable(
                f"the model's own process {ended}", fix="it is started again: ask again in a moment"
            ) from ended

    def close(self) -> None:
        """See `Backend.close`."""
        self._closed.set()
        with self._changing:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _lose(self, worker: Worker, reason: str) -> None:
        """Whoever notices first sees to the next process."""
        with self._changing:
            if self._worker is not worker:
                return
            self._worker = None
            self.trouble = f"{reason}; it is being started again"
            if time.monotonic() - self._since > _WELL_AFTER_SECONDS:
                self._delay = _FIRST_DELAY_SECONDS
        _log.error("model's process lost", extra={"reason": reason})
        threading.Thread(target=self._revive, name="revive", daemon=True).start()

    def _revive(self) -> None:
        while not self._closed.wait(self._delay):
            self._delay = min(self._delay * 2, _LONGEST_DELAY_SECONDS)
            try:
                worker = Worker(*self._arguments)
            except Exception as error:  # noqa: BLE001  else it would never be started again
                self.trouble = f"the model's own process cannot be started again: {error}"
                _log.error("model's process not started", extra={"reason": str(error)})
                continue
            with self._changing:
                if self._closed.is_set():
                    worker.close()
                else:
                    self._since, self._worker, self.trouble = time.monotonic(), worker, ""
            return
