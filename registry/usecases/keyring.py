"""The keys of stored blobs: wrapped by the provider, kept in the database, opened for reading.

A key is kept in one transaction that also looks whether its blob is claimed, and whether the key
was destroyed: so an erasure that comes between leaves bytes that nobody can read, never the other
way round. Unwrapped keys stay in memory for those that are read often; whether they are still
there is asked each time.
"""

import secrets
import threading
import time
from concurrent.futures import Future
from datetime import UTC, datetime

from registry import errors
from registry.core import age
from registry.core.age import FileKey, Header
from registry.core.age_payload import NONCE
from registry.db import blobs
from registry.db import keys as rows
from registry.db import log as log_rows
from registry.db.engine import Database
from registry.db.keys import Row
from registry.store.encrypted import BlobKey, unknown_key
from registry.trust.wrapping import KeyProvider
from registry.usecases.recent import Recent

_OPENED = 5000
# Whoever retires the provider's key waits for so long first: only about older keys it is asked.
YOUNG_S = 0.5
_Waiting = list[tuple[BlobKey, Row, Future[None]]]


class DatabaseKeyring:
    """Keys that are kept at the same time share a transaction."""

    def __init__(self, database: Database, provider: KeyProvider) -> None:
        self.provider = provider
        self._database = database
        self._opened: Recent[bytes, FileKey] = Recent(_OPENED)
        self._turn = threading.Lock()
        self._list = threading.Lock()
        self._waiting: _Waiting = []

    def new(self) -> BlobKey:
        return new(self.provider)

    def keep(self, key: BlobKey, digest: str) -> None:
        kept: Future[None] = Future()
        with self._list:
            row = Row(key.name, digest, key.header, key.wrapped_by)
            self._waiting.append((key, row, kept))
        with self._turn:
            if not kept.done():
                with self._list:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
        kept.result()

    def open(self, key_id: bytes) -> FileKey:
        name = key_id.hex()
        with self._database.reading() as session:
            header = rows.header(session, name)
            is_destroyed = bool(rows.destroyed(session, [name]))
        if is_destroyed:
            raise errors.KeyDestroyed(
                f"the key {name} of these bytes was destroyed by an erasure",
                fix="nothing brings them back; publish the model again if it may be here",
            )
        if header is None:
            raise unknown_key(key_id)
        return self.read(header)

    def read(self, header: bytes) -> FileKey:
        known = self._opened.get(header)
        if known is None:
            known = opened(self.provider, header)
            self._opened.put(header, known)
        return known

    def _commit(self, batch: _Waiting) -> None:
        try:
            with self._database.writing() as session:
                log_rows.locked_head(session)
                listed = [row for _, row, _ in batch]
                unclaimed = blobs.missing(session, [row.digest for row in listed])
                gone = [row for row in listed if row.digest in unclaimed]
                refused = self._retired(batch) | {row.id: _unclaimed(row.digest) for row in gone}
                kept = [row for row in listed if row.id not in refused]
                rows.add(session, kept, now=datetime.now(UTC))
                session.commit()
        except BaseException as failure:  # noqa: BLE001  each of them raises it
            for _, _, future in batch:
                future.set_exception(failure)
            return
        for _, row, future in batch:
            if row.id in refused:
                future.set_exception(refused[row.id])
            else:
                future.set_result(None)

    def _retired(self, batch: _Waiting) -> dict[str, errors.PlimsollError]:
        """Keys, by name, that nobody could open: what wraps them went while the bytes came.

        Whoever retires holds the log's head, as our caller does, and looks for keys that are kept.
        """
        then = time.monotonic() - YOUNG_S
        old = [row for key, row, _ in batch if key.made_at < then]
        current = self.provider.current() if old else ""
        return {
            row.id: _unwrappable(row.digest)
            for row in old
            if row.wrapped_by != current and not self._opens(row.header)
        }

    def _opens(self, header: bytes) -> bool:
        try:
            opened(self.provider, header)
        except errors.DecryptionFailed:
            return False
        return True


def new(provider: KeyProvider) -> BlobKey:
    """A file key that nobody has used, under an age header that wraps it."""
    made = provider.generate()
    header = age.encode([made.stanza], made.key)
    return BlobKey(secrets.token_bytes(NONCE), made.key, header, made.by)


def opened(provider: KeyProvider, header: bytes) -> FileKey:
    """The file key in a header of one stanza, MAC checked; raises DecryptionFailed."""
    found = parsed(header)
    return found.verify(provider.unwrap(found.stanzas[0]))


def parsed(header: bytes) -> Header:
    """A stored header; raises DecryptionFailed."""
    found = age.parse(header)
    if found.size != len(header) or len(found.stanzas) != 1:
        raise errors.DecryptionFailed("a stored key has another form than the registry gives it")
    return found


def _unclaimed(digest: str) -> errors.Conflict:
    return errors.Conflict(
        f"{digest} was removed or erased while it was being stored", fix="upload it again"
    )


def _unwrappable(digest: str) -> errors.Unavailable:
    return errors.Unavailable(
        f"what wraps the key of {digest} was retired while it came", fix="upload it again"
    )
