"""Recognises people and pipelines by the tokens of their identity providers.

What they may do stands in the access file. Both are asked again every few seconds, so a grant
that is taken out of the file ends the tokens it was for.
"""

import hashlib
import time
from typing import TYPE_CHECKING

from registry import errors
from registry.core import jwt
from registry.core.canonical import Json
from registry.core.identity import Identity
from registry.core.jwt import Demands
from registry.usecases import persons
from registry.usecases.opening import Registry
from registry.usecases.recent import Remembered

if TYPE_CHECKING:
    from registry.trust.provider import Provider

_REMEMBERED_S = 2.0
# What a provider calls a person, the best first; the subject is what remains.
_NAMES = ("email", "preferred_username", "name")


def remembered(registry: Registry, token: str) -> Identity | None:
    """The caller, if this process recognised the very token a moment ago."""
    known = registry.callers.get(_digest(token))
    return known.identity if known is not None and known.until > time.monotonic() else None


def recognise(registry: Registry, token: str) -> Identity:
    """Who shows this token; raises Unauthenticated, Forbidden without any grant, Unavailable."""
    now, said_by = time.time(), jwt.parse(token).issuer
    provider = registry.providers.get(said_by)
    if provider is None:
        raise jwt.refused("it is from no identity provider of this registry's")
    claims, issuer = verified(provider, token), provider.issuer
    demands = Demands(issuer.audience, issuer.max_minutes * 60, issuer.leeway)
    subject = jwt.require(claims, demands, now=now)
    found = identity(registry, said_by, subject, claims)
    left = min(_REMEMBERED_S, jwt.expiry(claims) + issuer.leeway - now)
    until = time.monotonic() + left
    registry.callers.put(_digest(token), Remembered(b"", found, until))
    return found


def verified(provider: "Provider", token: str) -> dict[str, Json]:
    """The claims of a token that this provider signed, unlooked at; raises Unauthenticated."""
    from registry.trust import jwt as signatures  # noqa: PLC0415  heavy, and few show such tokens

    found = jwt.parse(token)
    key = provider.key(found.key) if found.issuer == provider.issuer.url else None
    if key is None or not signatures.is_signed(token, key, found.algorithm):
        raise jwt.refused("its signature is by no key of its issuer's")
    return found.claims


def identity(registry: Registry, issuer: str, subject: str, claims: dict[str, Json]) -> Identity:
    """Whom the access file makes of these claims; raises Forbidden where it grants nothing."""
    # Heavy, and most registries have no provider of identities.
    from registry.core import grants  # noqa: PLC0415

    rules = grants.of(registry.access_file.rules(), issuer, claims)
    if not rules:
        broken = registry.access_file.problems
        raise errors.Forbidden(
            "your identity provider vouches for you, and nothing is granted to you here",
            fix=f"the access file is broken and grants nothing: {broken[0]}"
            if broken
            else "ask for a grant in the registry's access file; it names issuer and claims",
        )
    name = grants.machine(rules)
    if name is None:
        name = persons.pseudonym_of(registry, issuer, subject, _known_as(claims, subject))
    return grants.identity(rules, name)


def _known_as(claims: dict[str, Json], subject: str) -> str:
    for name in _NAMES:
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value
    return subject


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
