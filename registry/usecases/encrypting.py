"""Encrypts what was stored before encryption was switched on, while the registry serves.

One blob at a time: encrypted, durable, then the clear one goes. A crash in between leaves both,
and both can be read; doing it again goes on from there.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry import errors
from registry.core import entries
from registry.db import blobs
from registry.db import log as log_rows
from registry.store.encrypted import EncryptedStore
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry
from registry.usecases.retention import Progress
from registry.usecases.sealed_copies import drained

_AT_ONCE = 2
_SHELVES = [f"{number:02x}" for number in range(256)]


@dataclass(slots=True)
class Encrypted:
    """What was done. `damaged` blobs are not what their names say: they stay as they are."""

    count: int = 0
    size: int = 0
    damaged: list[str] = field(default_factory=list)


def encrypt(registry: Registry, by: Caller, progress: Progress = lambda *_: None) -> Encrypted:
    """Raises InvalidConfig where encryption is off; Unavailable, StorageFull: then do it again."""
    store, done = registry.encrypted, Encrypted()
    if store is None:
        raise errors.InvalidConfig(
            "encryption is off", fix='set encryption = "file", "pkcs11" or "vault" first'
        )
    for number, shelf in enumerate(_SHELVES):
        progress("encrypting", number, len(_SHELVES))
        for digest, size, is_whole in _each(registry, store, list(store.clear.digests(shelf))):
            if is_whole:
                done.count, done.size = done.count + 1, done.size + size
            else:
                done.damaged.append(digest)
    if done.count:
        _record(registry, done, by)
    return done


def _each(
    registry: Registry, store: EncryptedStore, digests: list[str]
) -> Iterator[tuple[str, int, bool]]:
    """(digest, bytes, whether it is encrypted now); those that are gone are left out."""
    ahead: deque[tuple[str, Future[int | None]]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for digest in digests:
                ahead.append((digest, pool.submit(_one, registry, store, digest)))
            while ahead:
                digest, soon = ahead.popleft()
                try:
                    size = soon.result()
                except errors.DigestMismatch:
                    yield digest, 0, False
                    continue
                if size is not None:
                    yield digest, size, True
        finally:
            pool.shutdown(cancel_futures=True)


def _one(registry: Registry, store: EncryptedStore, digest: str) -> int | None:
    size = store.clear.size(digest)
    if size is None or not _is_wanted(registry, digest, size):
        return None
    try:
        if not _is_encrypted(store, digest):
            content = drained(store.clear.read(digest, 0, size))
            store.write(content, digest, most=size, claim=lambda _: None)
    except (errors.NotFound, errors.Conflict):
        return None  # a sweep or an erasure has just taken it
    store.clear.delete(digest)
    return size


def _is_wanted(registry: Registry, digest: str, size: int) -> bool:
    """What is condemned stays clear for the little time that it has; what nobody claims is adopted
    as a sweep would."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        state = blobs.state(session, digest)
        if state is blobs.State.UNKNOWN:
            blobs.claim(session, [(digest, size)], now=datetime.now(UTC))
            session.commit()
    return state is not blobs.State.CONDEMNED


def _is_encrypted(store: EncryptedStore, digest: str) -> bool:
    """An earlier run may have ended before the clear bytes went."""
    try:
        return store.opening(digest) is not None
    except errors.IntegrityError:
        return False


def _record(registry: Registry, done: Encrypted, by: Caller) -> None:
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.ENCRYPTED,
            actor=by.actor,
            detail={"blobs": done.count, "bytes": done.size},
        )
        log.append(session, registry, entry, now=now)
        session.commit()
