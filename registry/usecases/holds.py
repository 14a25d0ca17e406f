"""Legal holds: placed and released by people, with a reason, on record.

Whoever removes a version, or part of one, asks `require_free` first, under the writer's lock.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from registry import errors
from registry.core import entries, facts
from registry.db import holds, tables, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_retention import Hold
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry

_REASON_LIMIT = 2000


def require_free(session: Session, model: str, version: int | None) -> None:
    """Raise Conflict where a hold is on the version or on its model.

    `version` None asks for the whole model: then a hold on any of its versions counts.
    """
    found = holds.on(session, model, version)
    if found:
        raise errors.Conflict(
            f"{named(found[0].model, found[0].version)} is on legal hold {found[0].id} "
            f"since {found[0].placed_at:%Y-%m-%d}: {found[0].reason}",
            fix=f"if it may go, release it first: plimsoll admin hold release {found[0].id}",
        )


def place(
    registry: Registry,
    *,
    model: str,
    version: int | None,
    reason: str,
    by: Caller,
    seen: int | None = None,
) -> Hold:
    """Hold a version, or with `version` None all of a model; raises NotFound, Gone if erased.

    `seen`, where given, is the newest hold on it that the placer knows of, 0 for none: Conflict
    where there is a newer one, as when a form is sent twice.
    """
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        digest = _present(session, model, version)
        _require_seen(session, model, version, seen)
        hold = Hold(
            model=model,
            version=version,
            reason=require_reason(reason),
            placed_by=by.actor,
            placed_at=now,
        )
        session.add(hold)
        session.flush()
        _record(session, registry, entries.Kind.HELD, hold, digest, by)
        session.commit()
    return hold


def release(registry: Registry, hold_id: int, *, reason: str, by: Caller) -> Hold:
    """End a hold; raises NotFound, or Conflict where it was released before."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        hold = holds.get(session, hold_id)
        if hold.released_at is not None:
            raise errors.Conflict(
                f"hold {hold_id} was released on {hold.released_at:%Y-%m-%d} by {hold.released_by}"
            )
        hold.released_reason, hold.released_by = require_reason(reason), by.actor
        hold.released_at = datetime.now(UTC)
        found = None if hold.version is None else versions.find(session, hold.model, hold.version)
        digest = "" if found is None else found.digest or ""
        _record(session, registry, entries.Kind.RELEASED, hold, digest, by)
        session.commit()
    return hold


def on(registry: Registry, model: str, version: int | None) -> Sequence[Hold]:
    """What holds the version now, or its whole model; with `version` None any part of the model."""
    with registry.database.reading() as session:
        return holds.on(session, model, version)


def find(registry: Registry, hold_id: int) -> Hold:
    """Raises NotFound."""
    with registry.database.reading() as session:
        return holds.get(session, hold_id)


def page(
    registry: Registry, *, with_released: bool = False, after: int = 0, limit: int = 1000
) -> Sequence[Hold]:
    """Holds with an id above `after`, oldest first."""
    with registry.database.reading() as session:
        return holds.page(session, with_released=with_released, after=after, limit=limit)


def named(model: str, version: int | None) -> str:
    """`model@version`, or that it is all of the model."""
    return f"{model}@{version}" if version else f"all of {model}"


def require_reason(text: str) -> str:
    """`text`, if it says anything and fits into the log."""
    said = facts.require_text(text, what="reason", limit=_REASON_LIMIT).strip()
    if not said:
        raise errors.InvalidInput("a reason must be given", fix="say why; it is kept in the log")
    return said


def _require_seen(session: Session, model: str, version: int | None, seen: int | None) -> None:
    newest = max((one.id for one in holds.on(session, model, version)), default=0)
    if seen is not None and newest > seen:
        raise errors.Conflict(
            f"{named(model, version)} is on legal hold {newest} since",
            fix="look at it, then decide again",
        )


def _present(session: Session, model: str, version: int | None) -> str:
    """The version's digest, empty for a model."""
    if version is None:
        versions.model(session, model)
        return ""
    found = versions.version(session, model, version)
    if found.status == tables.ERASED:
        raise errors.Gone(f"{model}@{version} was erased: there is nothing left to hold")
    return found.digest or ""


def _record(
    session: Session,
    registry: Registry,
    kind: entries.Kind,
    hold: Hold,
    digest: str,
    by: Caller,
) -> None:
    now = datetime.now(UTC)
    entry = entries.Entry(
        time=log.stamp(now),
        kind=kind,
        actor=by.actor,
        model=hold.model,
        version=hold.version or 0,
        digest=digest,
        reason=hold.released_reason or hold.reason,
        detail={"hold": hold.id},
    )
    log.append(session, registry, entry, now=now)
