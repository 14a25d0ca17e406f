"""Who is calling: tokens are minted and recognised here. What a role may do is the API's table."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from registry import errors
from registry.core import entries, names
from registry.db import log as log_rows
from registry.db import tokens
from registry.db.tables_log import Token
from registry.store import durable
from registry.usecases import log
from registry.usecases.opening import Registry
from registry.usecases.recent import Remembered

_REMEMBERED_S = 2.0
_FORM = re.compile(r"plm_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Role(StrEnum):
    """What a caller may do; one token has one."""

    ADMIN = "admin"
    PUBLISHER = "publisher"
    APPROVER = "approver"
    OPERATOR = "operator"
    RECONCILER = "reconciler"
    HOST = "host"
    AUDITOR = "auditor"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Caller:
    """A recognised token. For the role host, `name` is the host's."""

    role: Role
    name: str

    @property
    def actor(self) -> str:
        """How the log names this caller."""
        return f"{self.role}:{self.name}"


def remembered(registry: Registry, secret: str) -> Caller | None:
    """The caller, if this process recognised the very token a moment ago. Asks no database."""
    form = _FORM.fullmatch(secret)
    known = registry.callers.get(form[1]) if form else None
    if known is None or known.until < time.monotonic():
        return None
    is_right = hmac.compare_digest(known.secret_sha256, _sha256(secret))
    return Caller(Role(known.role), known.name) if is_right else None


def recognise(registry: Registry, secret: str) -> Caller:
    """Raises Unauthenticated for anything but a token that this registry minted.

    Another replica may go on letting a revoked token in for as long as it remembers it.
    """
    form = _FORM.fullmatch(secret)
    if form is None:
        raise _unknown()
    with registry.database.reading() as session:
        token = tokens.find(session, form[1])
    # An unknown id is compared too, so that it takes as long as a wrong secret.
    expected = token.secret_sha256 if token else bytes(32)
    is_right = hmac.compare_digest(expected, _sha256(secret))
    if token is None or not is_right or token.revoked_at is not None:
        raise _unknown()
    until = time.monotonic() + _REMEMBERED_S
    registry.callers.put(token.id, Remembered(token.secret_sha256, token.role, token.name, until))
    return Caller(Role(token.role), token.name)


def mint(registry: Registry, *, role: Role, name: str, by: Caller) -> str:
    """A new token's secret, shown once and never stored. Raises Forbidden.

    An admin mints any; a reconciler only those of the hosts it looks after.
    """
    names.slug(name, what="token name")
    if by.role is not Role.ADMIN and not (by.role is Role.RECONCILER and role is Role.HOST):
        raise errors.Forbidden(
            f"a {by.role} may not mint a token for role {role}", fix="ask an admin for it"
        )
    return _minted(registry, Caller(role, name), by=by.actor)


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
    secret = _minted(registry, Caller(Role.ADMIN, "first-start"), by="registry:first-start")
    durable.write_private(file, secret.encode() + b"\n")
    return True


def _minted(registry: Registry, caller: Caller, *, by: str) -> str:
    token_id = secrets.token_hex(8)
    secret = f"plm_{token_id}_{secrets.token_urlsafe(32)}"
    now = datetime.now(UTC)
    with registry.database.writing() as session:
        entry = entries.Entry(
            time=log.stamp(now),
            kind=entries.Kind.TOKEN_CREATED,
            actor=by,
            detail={"role": str(caller.role), "name": caller.name, "id": token_id},
        )
        log.append(session, registry, entry, now=now)
        session.add(
            Token(
                id=token_id,
                name=caller.name,
                role=caller.role,
                secret_sha256=_sha256(secret),
                created_by=by,
                created_at=now,
            )
        )
        session.commit()
    return secret


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _unknown() -> errors.Unauthenticated:
    return errors.Unauthenticated(
        "no token, or not one of this registry's",
        fix="send 'Authorization: Bearer plm_…'; an admin mints tokens with POST /v1/tokens",
    )
