"""Moves aliases, keeping who moved them, from where, and why."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry.core import entries, names
from registry.db import aliases, tables, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Move:
    """`version` None removes the alias."""

    model: str
    alias: str
    version: int | None
    reason: str


def move(registry: Registry, wanted: Move, by: Caller) -> None:
    """Point the alias at a version, or remove it; raises NotFound. Moving it nowhere is free."""
    names.alias(wanted.alias)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        digest = ""
        if wanted.version is not None:
            digest = versions.version(session, wanted.model, wanted.version).digest
            current = aliases.find(session, wanted.model, wanted.alias)
        else:
            versions.model(session, wanted.model)
            current = aliases.get(session, wanted.model, wanted.alias)
        previous = current.version if current else None
        if previous == wanted.version:
            return
        index = _record(session, registry, wanted, previous=previous, digest=digest, by=by)
        _set(session, wanted, current, now=now)
        session.add(
            tables.AliasChange(
                model=wanted.model,
                alias=wanted.alias,
                version=wanted.version,
                previous=previous,
                actor=by.actor,
                reason=wanted.reason,
                log_index=index,
                at=now,
            )
        )
        session.commit()


def _set(session: Session, wanted: Move, current: tables.Alias | None, *, now: datetime) -> None:
    if wanted.version is None:
        session.delete(current)
    elif current is None:
        session.add(
            tables.Alias(
                model=wanted.model, alias=wanted.alias, version=wanted.version, updated_at=now
            )
        )
    else:
        current.version, current.updated_at = wanted.version, now


def _record(
    session: Session,
    registry: Registry,
    wanted: Move,
    *,
    previous: int | None,
    digest: str,
    by: Caller,
) -> int:
    now = datetime.now(UTC)
    is_removal = wanted.version is None
    entry = entries.Entry(
        time=log.stamp(now),
        kind=entries.Kind.ALIAS_REMOVED if is_removal else entries.Kind.ALIAS_MOVED,
        actor=by.actor,
        model=wanted.model,
        version=wanted.version or 0,
        digest=digest,
        reason=wanted.reason,
        detail={"alias": wanted.alias, "previous": previous},
    )
    return log.append(session, registry, entry, now=now)
