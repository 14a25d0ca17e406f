"""Deletes versions and models: out of sight at once, the bytes with the next sweep.

What stays is the record: a number is never given out twice, and digests, signatures and the log
still say what was there. What is deployed, on legal hold, or under a protected alias stays.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from registry import errors
from registry.core import entries
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import aliases as alias_rows
from registry.db import log as log_rows
from registry.db import registered, tables, versions
from registry.db import retention as rows
from registry.db.engine import Session
from registry.usecases import aliases, holds, log, retention
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


def delete_version(registry: Registry, model: str, number: int, by: Caller) -> None:
    """Raises NotFound, also for one that is gone; Conflict or PolicyDenied where it must stay."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        version = registered.find_version(session, model, number)
        if version is None:
            raise errors.NotFound(f"model {model!r} has no version {number}")
        _require_removable(session, model, number)
        pointing = [row for row in alias_rows.of_model(session, model) if row.version == number]
        _detach(session, registry, pointing, f"version {number} was deleted", by)
        digest = version.digest or ""
        _let_go(session, version, f"deleted by {by.actor}")
        _log(session, registry, Kind.VERSION_DELETED, by, model=model, number=number, digest=digest)
        session.commit()


def delete_model(registry: Registry, model: str, by: Caller) -> None:
    """The model with all its versions; raises like `delete_version`.

    Made again under its name, it goes on counting where it ended.
    """
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        found = versions.model(session, model)
        _require_removable(session, model, None)
        _detach(session, registry, alias_rows.of_model(session, model), "model deleted", by)
        shown = registered.shown_versions(session, model)
        for version in shown:
            _let_go(session, version, f"model deleted by {by.actor}")
        found.description = ""
        found.updated_at = found.deleted_at = datetime.now(UTC)
        registered.drop_tags(session, model)
        _log(
            session, registry, Kind.MODEL_DELETED, by, model=model, detail={"versions": len(shown)}
        )
        session.commit()


def _require_removable(session: Session, model: str, number: int | None) -> None:
    holds.require_free(session, model, number)
    retention.require_undeployed(session, model, number)


def _let_go(session: Session, version: tables.Version, reason: str) -> None:
    rows.drop_files(session, version.id)
    version.status, version.status_message = tables.EXPIRED, reason
    version.updated_at = datetime.now(UTC)


def _detach(
    session: Session,
    registry: Registry,
    pointing: Sequence[tables.Alias],
    reason: str,
    by: Caller,
) -> None:
    for alias in pointing:
        aliases.require_mover(registry, model=alias.model, alias=alias.alias, by=by)
        target = versions.find(session, alias.model, alias.version)
        digest = (target.digest or "") if target else ""
        aliases.detach(session, registry, alias, digest=digest, reason=reason, by=by)
    session.flush()


def _log(  # noqa: PLR0913  what an entry tells
    session: Session,
    registry: Registry,
    kind: Kind,
    by: Caller,
    *,
    model: str,
    number: int = 0,
    digest: str = "",
    detail: dict[str, Json] | None = None,
) -> None:
    now = datetime.now(UTC)
    entry = entries.Entry(
        time=log.stamp(now),
        kind=kind,
        actor=by.actor,
        model=model,
        version=number,
        digest=digest,
        detail=detail or {},
    )
    log.append(session, registry, entry, now=now)
