"""Keeps the documents of versions current, and the log filed, a few seconds behind what changes."""

from registry.api.rounds import Rounds
from registry.db.engine import Database
from registry.usecases import documents, log_filing

_EVERY_S = 3.0


class Renewer(Rounds):
    """One in each process: they do each other's work twice at worst, and no harm.

    Whatever is still old when it stops is made when it is asked for, or by the next process."""

    def __init__(self, database: Database) -> None:
        super().__init__("renewer", self._renew, lambda: _EVERY_S)
        self._database = database
        self._since = documents.BEGINNING

    def _renew(self) -> None:
        self._since = documents.renew(self._database, self._since, self.is_over)
        log_filing.file_missing(self._database, self.is_over)
