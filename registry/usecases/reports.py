"""Takes in what reconcilers and hosts report: events, once each, and statuses of deployments."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from registry import errors
from registry.core import canonical, digest, entries, names, standing
from registry.core.canonical import Json
from registry.core.entries import Kind
from registry.db import clock, fleet, fleet_hosts, host_reports, reports, tables_log
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.usecases import log, steering
from registry.usecases.access import Caller, Role
from registry.usecases.opening import Recorded, Recordings, Registry

_BY_HOSTS = frozenset({Kind.VERIFIED, Kind.REFUSED, Kind.LOADED})
# Everything else is the registry's own to tell: a new kind is closed to others until it is listed.
_BY_OTHERS = _BY_HOSTS | {
    Kind.DECIDED,
    Kind.PERMITTED,
    Kind.STARTING,
    Kind.STARTED,
    Kind.TESTED,
    Kind.ANALYSED,
    Kind.DEPLOYING,
    Kind.DEPLOYED,
    Kind.SHIFTING,
    Kind.SHIFTED,
    Kind.STEERED,
    Kind.RESTARTED,
    Kind.REMOVED,
    Kind.HOOK_CALLED,
    Kind.GAVE_UP,
    Kind.QUARANTINED,
    Kind.ROLLED_BACK,
    Kind.REVERT_PUSHED,
    Kind.REVERT_PROPOSED,
    Kind.REVERT_WITHDRAWN,
    Kind.EXPERIMENT_BEGUN,
    Kind.EXPERIMENT_DECIDED,
    Kind.EXPERIMENT_PROPOSED,
    Kind.PROMOTION_DECIDED,
    Kind.PROMOTION_WITHDRAWN,
    Kind.FOLLOWED,
    Kind.FOLLOW_WITHDRAWN,
    Kind.COMMIT_VERIFIED,
    Kind.COMMIT_REFUSED,
    Kind.COMMIT_ACCEPTED,
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
class Told:
    """An event on its way into the log; `body` is the digest of all that it says.

    Where it has a `holder`, it is written only while `host` is that one's.
    """

    id: str
    body: bytes
    leaf: log.Leaf
    host: str = ""
    holder: str = ""


def record(registry: Registry, event: Event, by: Caller, *, holder: str = "") -> Recorded:
    """Log an event once; the same id with another content raises Conflict.

    With a `holder` it does too unless that one has the lease on the event's host: what is about
    to be done there by somebody else must not be announced, and so is not done.
    """
    now = datetime.now(UTC)
    told = replace(_told(event, by, now), host=event.host, holder=holder)
    return registry.told.put([told], lambda waiting: _write(registry, waiting))[0]


def record_all(registry: Registry, events: Sequence[Event], by: Caller) -> Recordings:
    """Log all of them, in order, or none; each once. Shares a commit with whoever comes now."""
    now = datetime.now(UTC)
    told = [_told(event, by, now) for event in events]
    return registry.told.put(told, lambda waiting: _write(registry, waiting))


def _told(event: Event, by: Caller, now: datetime) -> Told:
    kind = _allowed_kind(event, by)
    if event.digest:
        digest.parse(event.digest)
    fields = asdict(event)
    body = hashlib.sha256(canonical.encode(fields)).digest()
    del fields["id"], fields["kind"]
    entry = entries.Entry(time=log.stamp(now), kind=kind, actor=by.actor, **fields)
    return Told(_own_id(event, by), body, log.leaf_of(entry, now=now))


def _own_id(event: Event, by: Caller) -> str:
    """An agent's ids are its own: nothing of others is taken for told because of them."""
    if by.role is not Role.AGENT:
        return event.id
    return hashlib.sha256(canonical.encode([by.actor, event.id])).hexdigest()


def _write(
    registry: Registry, waiting: Sequence[Sequence[Told]]
) -> list[Recordings | errors.PlimsollError]:
    """What each group of events got: where they stand, or why none of them does."""
    with registry.database.writing() as session:
        size = log_rows.locked_head(session).size
        ids = {told.id for group in waiting for told in group}
        standing = _Standing(size, reports.told(session, ids))
        results = [_fenced(session, group) or standing.add(group) for group in waiting]
        if standing.fresh:
            log.append_all(session, registry, [told.leaf for told in standing.fresh])
            reports.add(session, standing.rows())
            session.commit()
    return results


def _fenced(session: Session, group: Sequence[Told]) -> errors.Conflict | None:
    """Why none of the group may be written: a host is not the holder's any more."""
    for told in group:
        if told.holder:
            try:
                now = clock.now(session)
                steering.require_held(session, [told.host], holder=told.holder, now=now)
            except errors.Conflict as error:
                return error
    return None


@dataclass(slots=True)
class _Standing:
    """Events told before, by id, and `fresh` ones that will stand from entry `size` on."""

    size: int
    known: dict[str, tuple[bytes, int]]
    fresh: list[Told] = field(default_factory=list)

    def add(self, group: Sequence[Told]) -> Recordings | errors.PlimsollError:
        """Take all of `group`, or none of it."""
        before, found = (dict(self.known), len(self.fresh)), []
        for told in group:
            body, index = self.known.setdefault(told.id, (told.body, self.size + len(self.fresh)))
            if body != told.body:
                self.known, self.fresh = before[0], self.fresh[: before[1]]
                return errors.Conflict(
                    f"event {told.id!r} was told before with another content",
                    fix="give every event its own id",
                )
            is_new = index == self.size + len(self.fresh)
            if is_new:
                self.fresh.append(told)
            found.append(Recorded(index, is_new=is_new))
        return found

    def rows(self) -> list[tuple[str, bytes, int]]:
        """Of the fresh ones: id, digest of what was told, entry."""
        return [(told.id, *self.known[told.id]) for told in self.fresh]


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
        stands = standing.of(document)
        found.model, found.severity = stands.model[:128], stands.severity
        found.sync, found.health, found.trust = stands.sync, stands.health, stands.trust
        found.experiment = standing.experiment(document)
        found.promotion = standing.promotion(document)
        fleet_hosts.place(session, environment, name, standing.on_hosts(document))
        fleet.change(session)
        session.commit()


def drop_status(registry: Registry, *, environment: str, name: str) -> None:
    """Forget the deployment's status; raises NotFound. What it did stays in the log."""
    with registry.database.writing() as session:
        session.delete(reports.deployment(session, environment, name))
        fleet_hosts.forget(session, environment, name)
        host_reports.drop_deployment(session, environment, name)
        fleet.change(session)
        session.commit()


def _allowed_kind(event: Event, by: Caller) -> Kind:
    kind = entries.kind(event.kind)
    if kind not in _BY_OTHERS:
        raise errors.Forbidden(f"events of kind {kind} are recorded by the registry itself")
    if by.role is Role.AGENT and event.host != by.name:
        raise errors.Forbidden(
            f"agent {by.name!r} may tell of its own host only", fix=f"send 'host': '{by.name}'"
        )
    if by.role is Role.HOST and (kind not in _BY_HOSTS or event.host != by.name):
        raise errors.Forbidden(
            f"host {by.name!r} may tell only of itself, and only {', '.join(sorted(_BY_HOSTS))}",
            fix=f"send 'host': '{by.name}' and one of these kinds",
        )
    return kind
