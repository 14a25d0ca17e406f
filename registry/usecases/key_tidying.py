"""Removes keys that open nothing: of bytes that never came, or that were stored anew since."""

from datetime import datetime

from registry import errors
from registry.core.age_payload import NONCE
from registry.db import keys
from registry.db import log as log_rows
from registry.store.encrypted import EncryptedStore
from registry.usecases.opening import Registry

_PAGE = 500


def tidy(registry: Registry, *, before: datetime) -> None:
    """Only keys from `before` that moment: a younger one may be of a writer who is at it."""
    store = registry.encrypted
    if store is None:
        return
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        keys.forget_unclaimed(session, before=before)
        session.commit()
    after = ""
    while True:
        with registry.database.reading() as session:
            page = keys.stored_twice(session, after=after, limit=_PAGE)
        for digest in page:
            _keep_one(registry, store, digest, before)
        if len(page) < _PAGE:
            return
        after = page[-1]


def _keep_one(registry: Registry, store: EncryptedStore, digest: str, before: datetime) -> None:
    try:
        current = store.payloads.beginning(digest, NONCE).hex()
    except (errors.NotFound, errors.IntegrityError):
        return  # gone, or damaged: then any of its keys may still be needed
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        if keys.header(session, current) is not None:
            keys.forget_others(session, digest, current, before=before)
            session.commit()
