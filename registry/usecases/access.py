"""Who is calling: tokens are minted and recognised here. What a role may do is the API's table."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import entries, names, pseudonym, scope
from registry.core.canonical import Json
from registry.core.identity import Caller, Grant, Identity, Role
from registry.core.scope import EVERYTHING, Scope
from registry.db import hosts, tokens
from registry.db import log as log_rows
from registry.db.engine import Session
from registry.db.tables_log import Token
from registry.store import durable
from registry.usecases import log
from registry.usecases.opening import Registry
from registry.usecases.recent import Remembered

__all__ = ["Caller", "Role"]

_REMEMBERED_S = 2.0
_FORM = re.compile(r"plm_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new token shall be good for, and from when on it is not."""

    role: Role
    name: str
    scope: Scope = EVERYTHING
    expires_at: datetime | None = None
    certificate: str = ""


def remembered(registry: Registry, secret: str, certificate: str = "") -> Identity | None:
    """The caller, if this process recognised the very token a moment ago. Asks no database."""
    form = _FORM.fullmatch(secret)
    known = registry.callers.get(form[1]) if form else None
    if known is None or known.until < time.monotonic():
        return None
    is_right = hmac.compare_digest(known.secret_sha256, _sha256(secret))
    if not is_right or known.certificate not in ("", certificate):
        return None
    return known.identity


def recognise(registry: Registry, secret: str, certificate: str = "") -> Identity:
    """Raises Unauthenticated for anything but a token that this registry minted.

    `certificate` is the sha256 of the one that the connection showed. Another replica may go on
    letting a revoked token in for as long as it remembers it.
    """
    form = _FORM.fullmatch(secret)
    if form is None:
        raise unknown()
    now = datetime.now(UTC)
    with registry.database.reading() as session:
        token = tokens.find(session, form[1])
        is_out = token is not None and _is_out(session, token)
    # An unknown id is compared too, so that it takes as long as a wrong secret.
    expected = token.secret_sha256 if token else bytes(32)
    is_right = hmac.compare_digest(expected, _sha256(secret))
    if token is None or not is_right or is_out:
        raise unknown()
    if token.expires_at is not None and token.expires_at <= now:
        raise errors.Unauthenticated(
            f"this token expired at {token.expires_at:%Y-%m-%d %H:%M} UTC", fix="ask for a new one"
        )
    if token.certificate is not None and token.certificate != certificate:
        raise errors.Unauthenticated(
            "this token is bound to a certificate that this connection did not show",
            fix="call over mutual TLS with the host's own certificate",
        )
    return _remember(registry, token, now)


def _remember(registry: Registry, token: Token, now: datetime) -> Identity:
    left = _REMEMBERED_S
    if token.expires_at is not None:
        left = min(left, (token.expires_at - now).total_seconds())
    grant = Grant(Role(token.role), scope_of(token))
    identity = Identity(token.name, (grant,), certificate=token.certificate or "")
    known = Remembered(
        token.secret_sha256, identity, time.monotonic() + left, token.certificate or ""
    )
    registry.callers.put(token.id, known)
    return identity


def _is_out(session: Session, token: Token) -> bool:
    """Revoked, or of a host that was turned out."""
    if token.revoked_at is not None:
        return True
    host = hosts.find(session, token.name) if token.role in (Role.HOST, Role.AGENT) else None
    return host is not None and host.revoked_at is not None


def mint(registry: Registry, *, role: Role, name: str, by: Caller) -> str:
    """A new token for everything and for good; see `mint_wish`."""
    return mint_wish(registry, Wish(role, name), by)


def mint_wish(registry: Registry, wish: Wish, by: Caller) -> str:
    """A new token's secret, shown once and never stored. Raises Forbidden, InvalidInput.

    An admin mints any; a reconciler only those of the hosts it looks after, an agent of its own.
    """
    names.slug(wish.name, what="token name")
    if pseudonym.is_one(wish.name):
        raise errors.InvalidName(
            f"token name {wish.name!r} looks like a person's pseudonym", fix="choose another"
        )
    if not _may_mint(by, wish):
        raise errors.Forbidden(
            f"a {by.role} may not mint a token for role {wish.role}", fix="ask an admin for it"
        )
    if wish.expires_at is not None and wish.expires_at <= datetime.now(UTC):
        raise errors.InvalidInput("the token would have expired already", fix="name a later time")
    if wish.role in (Role.HOST, Role.AGENT):
        names.host(wish.name)
        with registry.database.reading() as session:
            host = hosts.find(session, wish.name)
        if host is not None and host.revoked_at is not None:
            raise errors.Forbidden(
                f"host {wish.name!r} was turned out", fix="enrol it again: plimsoll host enrol"
            )
    return _minted(registry, wish, by=by.actor)


def _may_mint(by: Caller, wish: Wish) -> bool:
    if by.role is Role.ADMIN:
        return True
    is_own = by.role is Role.AGENT and by.name == wish.name
    return wish.role is Role.HOST and (by.role is Role.RECONCILER or is_own)


def listed(registry: Registry, *, after: str, limit: int) -> Sequence[Token]:
    """Up to `limit` tokens, revoked ones too, by id; `after` is the last one seen."""
    with registry.database.reading() as session:
        return tokens.page(session, after=after, limit=limit)


def revoke(registry: Registry, token_id: str, *, reason: str, by: Caller) -> None:
    """From the next request on nobody is let in with it. Revoking again is free; or NotFound."""
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        log_rows.locked_head(session)
        token = tokens.find(session, token_id)
        if token is None:
            raise errors.NotFound(
                f"no token {token_id[:40]!r}", fix="GET /v1/tokens lists those there are"
            )
        if token.revoked_at is not None:
            return
        token.revoked_at = now
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.TOKEN_REVOKED,
            actor=by.actor,
            reason=reason,
            detail={"role": token.role, "name": token.name, "id": token_id},
        )
        log.append(session, registry, entry, now=now)
        session.commit()
    registry.callers.drop(token_id)


def mint_first(registry: Registry) -> bool:
    """At the first start, an admin token in a file of mode 0600; says whether it made one."""
    file = registry.settings.admin_token_file
    if file.exists():
        return False
    # The file comes last: a crash in between mints another one, and nobody has the first.
    secret = _minted(registry, Wish(Role.ADMIN, "first-start"), by="registry:first-start")
    durable.write_private(file, secret.encode() + b"\n")
    return True


def _minted(registry: Registry, wish: Wish, *, by: str) -> str:
    token_id = secrets.token_hex(8)
    secret = f"plm_{token_id}_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.TOKEN_CREATED,
            actor=by,
            detail=_detail(wish, token_id),
        )
        log.append(session, registry, entry, now=now)
        session.add(
            Token(
                id=token_id,
                name=wish.name,
                role=wish.role,
                secret_sha256=_sha256(secret),
                created_by=by,
                created_at=now,
                scope=None if wish.scope == EVERYTHING else wish.scope.document(),
                expires_at=wish.expires_at,
                certificate=wish.certificate or None,
            )
        )
        session.commit()
    return secret


def _detail(wish: Wish, token_id: str) -> dict[str, Json]:
    detail: dict[str, Json] = {"role": str(wish.role), "name": wish.name, "id": token_id}
    if wish.scope != EVERYTHING:
        detail["scope"] = wish.scope.document()
    if wish.expires_at is not None:
        detail["expires"] = log.stamp(wish.expires_at)
    return detail


def scope_of(token: Token) -> Scope:
    """The models that the token is good for."""
    return EVERYTHING if token.scope is None else scope.of_document(token.scope)


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def unknown() -> errors.Unauthenticated:
    """What is said to whoever shows nothing that is known here."""
    return errors.Unauthenticated(
        "no token, or not one of this registry's",
        fix="send 'Authorization: Bearer plm_…'; an admin mints tokens with POST /v1/tokens",
    )
