"""Who is calling: tokens are minted and recognised here. What a role may do is the API's table."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from registry import errors
from registry.core import entries, names
from registry.db import tokens
from registry.db.tables import Token
from registry.store import durable
from registry.usecases import log
from registry.usecases.opening import Registry

_FORM = re.compile(r"plm_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Role(StrEnum):
    """What a token is for; one token has one."""

    ADMIN = "admin"
    PUBLISHER = "publisher"
    RECONCILER = "reconciler"
    HOST = "host"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Caller:
    """A recognised token. For the role host, `name` is the host's."""

    role: Role
    name: str

    @property
    def actor(self) -> str:
        """How the log names this caller."""
        return f"{self.role}:{self.name}"


def recognise(registry: Registry, secret: str) -> Caller:
    """Raises Unauthenticated for anything but a token that this registry minted."""
    form = _FORM.fullmatch(secret)
    if form is None:
        raise _unknown()
    with registry.database.reading() as session:
        token = tokens.find(session, form[1])
    # An unknown id is compared too, so that it takes as long as a wrong secret.
    expected = token.secret_sha256 if token else bytes(32)
    is_right = hmac.compare_digest(expected, hashlib.sha256(secret.encode()).digest())
    if token is None or not is_right or token.revoked_at is not None:
        raise _unknown()
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
                secret_sha256=hashlib.sha256(secret.encode()).digest(),
                created_by=by,
                created_at=now,
            )
        )
        session.commit()
    return secret


def _unknown() -> errors.Unauthenticated:
    return errors.Unauthenticated(
        "no token, or not one of this registry's",
        fix="send 'Authorization: Bearer plm_…'; an admin mints tokens with POST /v1/tokens",
    )
