"""A thread that enters refusals into the log, at most once a minute."""

import threading

import structlog

from registry import errors
from registry.usecases.opening import Registry
from registry.usecases.refusals import Refusals

_LOG = structlog.get_logger("registry.access")
_EVERY_S = 60.0
_GRACE_S = 10.0


class Recorder:
    """What was counted when the process stops is entered before it ends."""

    def __init__(self, registry: Registry, *, every: float = _EVERY_S) -> None:
        self.refusals = Refusals()
        self._registry = registry
        self._every = every
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join(_GRACE_S)

    def _run(self) -> None:
        while not self._is_over.wait(self._every):
            self._record()
        self._record()

    def _record(self) -> None:
        try:
            self.refusals.record(self._registry)
        except errors.PlimsollError as error:
            _LOG.warning("refusals not entered yet", code=error.code, detail=error.detail)
