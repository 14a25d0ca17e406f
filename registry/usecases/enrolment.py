"""Lets hosts in: a one-time token is exchanged for an identity, which is renewed while it lasts.

The token is used up in the transaction that takes the host in, so of many who show it at once one
is enrolled. Whoever comes second is told that it was used: the first may have been a thief.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry import errors
from registry.core import entries, names, spiffe
from registry.core.identity import Caller, Role
from registry.db import hosts as rows
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_access import Enrolment
from registry.trust.hostca import Issued
from registry.usecases import hosts, log
from registry.usecases.hosts import Identity, Told
from registry.usecases.opening import Registry

_FORM = re.compile(r"ple_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time token, shown once and never stored."""

    host: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Certified:
    """What a host is given: its certificate, and the authority's that proves it."""

    host: str
    uri: str
    issued: Issued
    authority: str


def invite(registry: Registry, host: str, *, lasting: timedelta, by: Caller) -> Invitation:
    """A token with which `host` may enrol once; earlier ones for it are good no more."""
    names.host(host)
    token_id = secrets.token_hex(8)
    token = f"ple_{token_id}_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    row = Enrolment(
        id=token_id,
        host=host,
        secret_sha256=_sha256(token),
        created_by=by.actor,
        created_at=now,
        expires_at=now + lasting,
    )
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        rows.withdraw(session, host)
        session.add(row)
        detail = {"id": token_id, "expires": log.stamp(row.expires_at)}
        told = Told(entries.Kind.HOST_INVITED, host, detail={**detail})
        hosts.record(session, registry, by.actor, told)
        session.commit()
    return Invitation(host, token, row.expires_at)


def exchange(registry: Registry, token: str, *, request: str, recipient: str) -> Certified:
    """Take in the host that shows the token: its keys for an identity.

    `request` is a PKCS#10 request in PEM, `recipient` its `age1…` key. Raises Unauthenticated,
    EnrolmentUsed, or InvalidInput, after which the token is as good as before.
    """
    hosts.require_recipient(recipient)
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        row = _invited(session, token, now)
        certified = _certify(registry, row.host, request, now)
        if not rows.use(session, row.id, now):
            raise _used(row)
        issued = certified.issued
        identity = Identity(row.host, recipient, issued.fingerprint, issued.until, now)
        hosts.enrol(session, registry, identity, actor=f"{Role.HOST}:{row.host}")
        session.commit()
    registry.callers.clear()
    return certified


def renew(registry: Registry, host: str, *, request: str, by: Caller) -> Certified:
    """The next certificate of a host that shows its present one; raises Forbidden."""
    if by.role is not Role.HOST or by.name != host or not by.certificate:
        raise errors.Forbidden(
            f"{by.actor} may not renew the certificate of {host[:80]!r}",
            fix="call over mutual TLS with the certificate that is to be renewed",
        )
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        row = rows.get(session, host)
        if row.revoked_at is not None:
            raise errors.Forbidden(f"host {host!r} was turned out", fix="enrol it again")
        certified = _certify(registry, host, request, now)
        row.fingerprint = certified.issued.fingerprint
        row.certificate_until = certified.issued.until
        told = Told(
            entries.Kind.HOST_RENEWED, host, detail={"fingerprint": certified.issued.fingerprint}
        )
        hosts.record(session, registry, by.actor, told)
        session.commit()
    return certified


def _invited(session: Session, token: str, now: datetime) -> Enrolment:
    form = _FORM.fullmatch(token)
    row = rows.enrolment(session, form[1]) if form else None
    # An unknown id is compared too, so that it takes as long as a wrong secret.
    expected = row.secret_sha256 if row is not None else bytes(32)
    is_right = hmac.compare_digest(expected, _sha256(token))
    if row is None or not is_right:
        raise errors.Unauthenticated(
            "no enrolment token, or not one of this registry's",
            fix="make one: plimsoll host enrol NAME",
        )
    if row.used_at is not None:
        raise _used(row)
    if row.expires_at <= now:
        raise errors.Unauthenticated(
            f"the enrolment token of {row.host!r} expired at {log.stamp(row.expires_at)}",
            fix=f"make a new one: plimsoll host enrol {row.host}",
        )
    return row


def _certify(registry: Registry, host: str, request: str, now: datetime) -> Certified:
    access = registry.settings.access
    uri = spiffe.host(access.trust_domain, host)
    lasting = timedelta(hours=access.certificate_hours)
    issued = registry.hosts_authority.issue(request, uri, now=now, lasting=lasting)
    return Certified(host, uri, issued, registry.hosts_authority.pem)


def _used(row: Enrolment) -> errors.EnrolmentUsed:
    when = log.stamp(row.used_at) if row.used_at is not None else "this moment"
    return errors.EnrolmentUsed(
        f"the enrolment token of {row.host!r} was used at {when}",
        fix="if that was not you, plimsoll host revoke it; then make a new token",
    )


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
