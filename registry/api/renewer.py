"""A thread that keeps the documents of versions current, a few seconds behind what changes."""

import threading
import traceback

import structlog

from registry import errors
from registry.db.engine import Database
from registry.usecases import documents

_LOG = structlog.get_logger("registry.renewer")
_EVERY_S = 3.0
_GRACE_S = 10.0


class Renewer:
    """One in each process: they do each other's work twice at worst, and no harm."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since = documents.BEGINNING
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Whatever is still old is made when it is asked for, or by the next process."""
        self._is_over.set()
        self._thread.join(_GRACE_S)

    def _run(self) -> None:
        while not self._is_over.wait(_EVERY_S):
            self._renew()

    def _renew(self) -> None:
        try:
            self._since = documents.renew(self._database, self._since, self._is_over.is_set)
        except errors.PlimsollError as error:
            _LOG.warning("documents not renewed yet", code=error.code, detail=error.detail)
        except Exception:  # noqa: BLE001  whatever it is, the next round shall be tried
            _LOG.error("documents not renewed", traceback=traceback.format_exc())
