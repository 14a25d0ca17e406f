"""Enrolled hosts: their keys, and whether they still belong to the fleet.

A host that never enrolled has no row here: it calls with a token, and nothing is encrypted to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from registry.core import age, entries, names
from registry.core.canonical import Json
from registry.db import host_copies, host_reports, hosts
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_access import Host
from registry.usecases import log
from registry.usecases.access import Caller
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Identity:
    """What a host is known by from `since` on; `fingerprint` is its certificate's, or empty."""

    name: str
    recipient: str
    fingerprint: str = ""
    certificate_until: datetime | None = None
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Told:
    """What happened to a host, for the log."""

    kind: entries.Kind
    host: str
    reason: str = ""
    detail: dict[str, Json] = field(default_factory=dict)


def recipient(session: Session, host: str) -> str | None:
    """The `age1…` key that files for this host are encrypted to; None without or revoked."""
    found = hosts.find(session, host)
    return None if found is None or found.revoked_at is not None else found.recipient or None


def is_revoked(session: Session, host: str) -> bool:
    """Whether the host was turned out. One that never enrolled was not."""
    found = hosts.find(session, host)
    return found is not None and found.revoked_at is not None


def listed(registry: Registry, *, after: str = "", limit: int = 1000) -> Sequence[Host]:
    """Up to `limit` hosts, revoked ones too, by name; `after` is the last one seen."""
    with registry.database.reading() as session:
        return hosts.page(session, after=after, limit=limit)


def enrol(session: Session, registry: Registry, identity: Identity, *, actor: str) -> Host:
    """Take the host in, anew if it was here before; the caller commits. Raises InvalidInput."""
    log_rows.locked_head(session)
    host = hosts.find(session, names.host(identity.name))
    if host is None:
        host = Host(name=identity.name)
        session.add(host)
    host.recipient = require_recipient(identity.recipient)
    host.fingerprint = identity.fingerprint
    host.certificate_until = identity.certificate_until
    host.enrolled_at, host.revoked_at = identity.since, None
    detail: dict[str, Json] = {"recipient": host.recipient}
    if host.fingerprint:
        detail["fingerprint"] = host.fingerprint
    told = Told(entries.Kind.HOST_ENROLLED, host.name, detail=detail)
    record(session, registry, actor, told)
    return host


def revoke(registry: Registry, name: str, *, reason: str, by: Caller) -> None:
    """Turn a host out, with all its tokens; revoking again is free. Raises NotFound."""
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        host = hosts.get(session, name)
        hosts.withdraw(session, name)
        host_copies.drop_host(session, name)
        host_reports.drop_host(session, name)
        if host.revoked_at is None:
            host.revoked_at = datetime.now(UTC)
            told = Told(entries.Kind.HOST_REVOKED, name, reason)
            record(session, registry, by.actor, told)
        session.commit()
    registry.callers.clear()


def require_recipient(text: str) -> str:
    """`text`, if it is an X25519 key as age writes it."""
    age.recipient(text)
    return text


def record(session: Session, registry: Registry, by: str, what: Told) -> None:
    """Put what happened to a host into the log."""
    now = datetime.now(UTC)
    entry = entries.Entry(
        time=log.stamp(now),
        kind=what.kind,
        actor=by,
        host=what.host,
        reason=what.reason,
        detail=what.detail,
    )
    log.append(session, registry, entry, now=now)
