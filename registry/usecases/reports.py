"""Takes in what reconcilers and hosts report: events, once each, and statuses of deployments."""

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, digest, entries, names
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import log as log_rows
from registry.db import reports, tables_log
from registry.usecases import log
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Registry

_BY_HOSTS = frozenset({Kind.VERIFIED, Kind.REFUSED, Kind.LOADED})
# Everything else is the registry's own to tell: a new kind is closed to others until it is listed.
_BY_OTHERS = _BY_HOSTS | {
    Kind.DECIDED,
    Kind.STARTING,
    Kind.STARTED,
    Kind.TESTED,
    Kind.DEPLOYING,
    Kind.DEPLOYED,
    Kind.RESTARTED,
    Kind.REMOVED,
    Kind.QUARANTINED,
    Kind.ROLLED_BACK,
    Kind.REVERT_PUSHED,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened elsewhere; empty fields are not meant."""

    id: str
    kind: str
    model: str = ""
    version: int = 0
    digest: str = ""
    host: str = ""
    deployment: str = ""
    commit: str = ""
    reason: str = ""
    detail: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where the event stands in the log, and whether it is this call that put it there."""

    index: int
    is_new: bool


def record(registry: Registry, event: Event, by: Caller) -> Recorded:
    """Log an event once; the same id with another content raises Conflict."""
    kind = _allowed_kind(event, by)
    if event.digest:
        digest.parse(event.digest)
    now = datetime.now(UTC)
    fields = asdict(event)
    body = hashlib.sha256(canonical.encode(fields)).digest()
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        known = reports.event(session, event.id)
        if known is not None:
            return _again(known, body)
        del fields["id"], fields["kind"]
        entry = entries.Entry(time=log.stamp(now), kind=kind, actor=by.actor, **fields)
        index = log.append(session, registry, entry, now=now)
        session.add(tables_log.Event(id=event.id, body_sha256=body, log_index=index))
        session.commit()
    return Recorded(index, is_new=True)


def set_status(
    registry: Registry, *, environment: str, name: str, document: dict[str, Json], by: Caller
) -> None:
    """Keep `document` as what this deployment looks like now."""
    names.slug(environment, what="environment")
    names.slug(name, what="deployment name")
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        found = reports.find_deployment(session, environment, name)
        if found is None:
            found = tables_log.Deployment(environment=environment, name=name)
            session.add(found)
        found.document, found.updated_by, found.updated_at = document, by.actor, now
        session.commit()


def drop_status(registry: Registry, *, environment: str, name: str) -> None:
    """Forget the deployment's status; raises NotFound. What it did stays in the log."""
    with registry.database.writing() as session:
        session.delete(reports.deployment(session, environment, name))
        session.commit()


def _allowed_kind(event: Event, by: Caller) -> Kind:
    kind = entries.kind(event.kind)
    if kind not in _BY_OTHERS:
        raise errors.Forbidden(f"events of kind {kind} are recorded by the registry itself")
    if by.role is Role.HOST and (kind not in _BY_HOSTS or event.host != by.name):
        raise errors.Forbidden(
            f"host {by.name!r} may tell only of itself, and only {', '.join(sorted(_BY_HOSTS))}",
            fix=f"send 'host': '{by.name}' and one of these kinds",
        )
    return kind


def _again(known: tables_log.Event, body: bytes) -> Recorded:
    if known.body_sha256 != body:
        raise errors.Conflict(
            f"event {known.id!r} was told before with another content",
            fix="give every event its own id",
        )
    return Recorded(known.log_index, is_new=False)
