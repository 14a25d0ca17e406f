"""Claims on bytes that are about to be stored: those made at the same time share a transaction.

A folder of small files is one claim each; taken one by one, their commits would cost more than
their bytes.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import UTC, datetime

from registry.db import blobs
from registry.db import log as log_rows
from registry.db.engine import Database
from registry.store.blobs import Stored

_Waiting = list[tuple[Sequence[Stored], Future[None]]]


class Claims:
    """Whoever has the turn commits for all who wait for it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._list = threading.Lock()
        self._waiting: _Waiting = []

    def make(self, *stored: Stored) -> None:
        """Returns once the claims are committed; raises what the database did."""
        made: Future[None] = Future()
        with self._list:
            self._waiting.append((stored, made))
        with self._turn:
            if not made.done():
                with self._list:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
        made.result()

    def _commit(self, batch: _Waiting) -> None:
        try:
            with self._database.writing() as session:
                log_rows.locked_head(session)
                sizes = [(one.digest, one.size) for stored, _ in batch for one in stored]
                blobs.claim(session, sizes, now=datetime.now(UTC))
                session.commit()
        except BaseException as failure:  # noqa: BLE001  each of them raises it
            for _, made in batch:
                made.set_exception(failure)
        else:
            for _, made in batch:
                made.set_result(None)
