"""Moves aliases, keeping who moved them, from where, and why."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import entries, names, protection
from registry.db import aliases, tables, versions
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.usecases import log, policing
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Move:
    """`version` None removes the alias.

    `expected`, where given, is where the mover believes it points (0: nowhere): of two who move
    it from the same place, the second is told.
    """

    model: str
    alias: str
    version: int | None
    reason: str
    expected: int | None = None


def move(registry: Registry, wanted: Move, by: Caller) -> None:
    """Point the alias at a version, or remove it. Moving it nowhere is free.

    Raises NotFound, PolicyDenied where a rule protects it, Conflict where the version is not
    ready or the alias is not where the mover believes it is.
    """
    names.alias(wanted.alias)
    require_mover(registry, model=wanted.model, alias=wanted.alias, by=by)
    promoted = _promoted(registry, wanted, by)
    with policing.desk(registry, by) as desk, registry.database.writing() as session:
        log_rows.locked_head(session)
        digest = ""
        if wanted.version is not None:
            digest = _ready(session, wanted.model, wanted.version)
            current = aliases.find(session, wanted.model, wanted.alias)
        else:
            versions.model(session, wanted.model)
            current = aliases.get(session, wanted.model, wanted.alias)
        previous = current.version if current else None
        _require_expected(wanted, previous)
        if previous == wanted.version:
            return
        if promoted is not None:
            desk.require_promotion(session, promoted, alias=wanted.alias, previous=previous or 0)
        _change(session, registry, wanted, current, digest=digest, by=by)
        session.commit()


def _promoted(registry: Registry, wanted: Move, by: Caller) -> policing.Subject | None:
    """What policies must allow: pointing a protected alias at a version, where there are any."""
    rules = registry.settings.protected
    if wanted.version is None or registry.settings.policies is None:
        return None
    if not protection.names(rules, model=wanted.model, alias=wanted.alias):
        return None
    with registry.database.reading() as session:
        _ready(session, wanted.model, wanted.version)
        row = versions.whole(session, wanted.model, wanted.version)
    return policing.stored(registry, row, by)


def require_mover(registry: Registry, *, model: str, alias: str, by: Caller) -> None:
    """Raise PolicyDenied where a rule protects the alias from this caller."""
    match protection.decide(registry.settings.protected, model=model, alias=alias, actor=by.actor):
        case protection.Denied(reason):
            raise errors.PolicyDenied(
                f"alias {model}:{alias} {reason}",
                fix="ask one of those, or change registry.protected in the configuration",
            )
        case protection.Allowed():
            return


def detach(
    session: Session,
    registry: Registry,
    alias: tables.Alias,
    *,
    digest: str,
    reason: str,
    by: Caller,
) -> None:
    """Remove an alias with what it points at, in the transaction in which that goes."""
    wanted = Move(alias.model, alias.alias, None, reason)
    _change(session, registry, wanted, alias, digest=digest, by=by)


def _ready(session: Session, model: str, number: int) -> str:
    """The digest of a version that an alias may point at."""
    version = versions.version(session, model, number)
    if version.status != tables.READY or version.digest is None:
        raise errors.Conflict(
            f"{model} version {number} is {version.status}: an alias cannot point at it",
            fix="point it at a version that is ready",
        )
    return version.digest


def _require_expected(wanted: Move, previous: int | None) -> None:
    if wanted.expected is not None and wanted.expected != (previous or 0):
        raise errors.Conflict(
            f"alias {wanted.model}:{wanted.alias} points at {previous or 'nothing'}, "
            f"not at {wanted.expected or 'nothing'}",
            fix="look at its history, then decide again",
        )


def _change(
    session: Session,
    registry: Registry,
    wanted: Move,
    current: tables.Alias | None,
    *,
    digest: str,
    by: Caller,
) -> None:
    """The log's entry, the alias itself, and its history."""
    now = datetime.now(UTC)
    previous = current.version if current else None
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
