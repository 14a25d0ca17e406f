"""Rotates the key that wraps the keys of stored blobs: headers change, no payload is touched.

A new version of the provider's key wraps from now on; then each header is wrapped anew, some at a
time. The old version still opens what is not done yet, so a crash leaves a registry that reads
everything; doing it again goes on. Each new header was opened once before it replaces the old one.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import age, entries
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import keys as rows
from registry.db import log as log_rows
from registry.db.keys import Row
from registry.trust.wrapping import KeyProvider
from registry.usecases import keyring, log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry
from registry.usecases.retention import Progress

_PAGE = 250
_IN_PARALLEL = 4


@dataclass(frozen=True, slots=True)
class Rotated:
    """`headers` were wrapped anew, by `key`; `is_new` unless an earlier rotation was finished."""

    key: str
    headers: int
    is_new: bool


def rotate(registry: Registry, by: Caller, progress: Progress = lambda *_: None) -> Rotated:
    """Raises InvalidConfig, Unavailable; DecryptionFailed where a header cannot be opened."""
    provider = _provider(registry)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        current = provider.current()
        left = rows.count_not_by(session, current)
        is_new = left == 0
        if is_new:
            current, left = provider.rotate(), rows.count(session)
    done, after = 0, ""
    while page := _page(registry, current, after):
        _rewrap(registry, provider, page)
        done, after = done + len(page), page[-1].id
        progress("headers", done, max(left, done))
    _record(registry, Kind.KEYS_ROTATED, {"key": current, "headers": done}, by)
    return Rotated(current, done, is_new)


def retire(registry: Registry, by: Caller) -> str:
    """Forget the older versions of the key; gives the one that stays.

    Raises Conflict while they still wrap something. Backups from before open no more.
    """
    provider = _provider(registry)
    # What an upload has under an older version is then old enough to be looked at once it is kept.
    time.sleep(keyring.YOUNG_S)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        current = provider.current()
        left = rows.count_not_by(session, current)
        if left:
            raise errors.Conflict(
                f"{left} blobs' keys are still wrapped by an older version",
                fix="run `plimsoll admin rotate-key` to its end first",
            )
        provider.retire()
    _record(registry, Kind.KEYS_RETIRED, {"key": current}, by)
    return current


def _provider(registry: Registry) -> KeyProvider:
    if registry.keyring is None:
        raise errors.InvalidConfig(
            "encryption is off: there is no key to rotate",
            fix='set encryption = "file", "pkcs11" or "vault" first',
        )
    return registry.keyring.provider


def _page(registry: Registry, current: str, after: str) -> Sequence[Row]:
    with registry.database.reading() as session:
        return rows.not_by(session, current, after=after, limit=_PAGE)


def _rewrap(registry: Registry, provider: KeyProvider, page: Sequence[Row]) -> None:
    def anew(row: Row) -> tuple[Row, bytes, str]:
        old = keyring.parsed(row.header)
        stanza, name = provider.rewrap(old.stanzas[0])
        key = old.verify(provider.unwrap(stanza))
        return row, age.encode([stanza], key), name

    with ThreadPoolExecutor(_IN_PARALLEL) as pool:
        made = list(pool.map(anew, page))
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        rows.rewrap(session, made)
        session.commit()


def _record(registry: Registry, kind: Kind, detail: dict[str, Json], by: Caller) -> None:
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        entry = entries.Entry(time=log.stamp(now), kind=kind, actor=by.actor, detail=detail)
        log.append(session, registry, entry, now=now)
        session.commit()
