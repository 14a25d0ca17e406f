"""The registry's watermark keys: made at the first mark, found by epoch, rotated by an admin."""

from datetime import UTC, datetime

from registry import errors
from registry.core import entries
from registry.core.entries import Kind
from registry.db import log as log_rows
from registry.db import watermarks
from registry.db.engine import Session
from registry.trust import watermark_keys
from registry.trust.watermark_keys import Master
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


def current(registry: Registry) -> Master:
    """The key of the newest epoch, made where there is none yet; raises IntegrityError."""
    with registry.database.reading() as session:
        epoch = watermarks.newest_epoch(session)
        if epoch:
            return of_epoch(session, registry, epoch)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        epoch = watermarks.newest_epoch(session)
        if epoch:
            return of_epoch(session, registry, epoch)
        made = _add(session, registry, 1)
        session.commit()
        return made


def of_epoch(session: Session, registry: Registry, epoch: int) -> Master:
    """Raises IntegrityError where it is gone, or was sealed with another key."""
    sealed = watermarks.sealed_key(session, epoch)
    if sealed is None:
        raise errors.IntegrityError(
            f"the watermark key of epoch {epoch} is not in the database",
            fix="restore a backup that has it: marks that it made cannot be found without it",
        )
    return watermark_keys.unseal(epoch, sealed, registry.vault)


def rotate(registry: Registry, by: Caller) -> int:
    """Mark with a new key from now on; gives its epoch. What is marked already stays as it is."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        now = datetime.now(UTC)
        made = _add(session, registry, watermarks.newest_epoch(session) + 1)
        entry = entries.Entry(
            time=log.stamp(now),
            kind=Kind.KEYS_ROTATED,
            actor=by.actor,
            detail={"purpose": "watermark", "epoch": made.epoch},
        )
        log.append(session, registry, entry, now=now)
        session.commit()
    return made.epoch


def _add(session: Session, registry: Registry, epoch: int) -> Master:
    made = watermark_keys.generate(epoch)
    sealed = watermark_keys.seal(made, registry.vault)
    watermarks.add_key(session, epoch, sealed, now=datetime.now(UTC))
    return made
