"""Recognises hosts by their certificates. That the chain is good was checked by TLS, or a proxy.

All else is checked at each request, so that a connection which is kept open outlives neither its
certificate nor its host.
"""

import hashlib
import time
from datetime import UTC, datetime

from registry import errors
from registry.core import spiffe
from registry.core.identity import Grant, Identity, Means, Role
from registry.db import hosts
from registry.trust import hostca
from registry.trust.hostca import BACKDATED, Shown
from registry.usecases.opening import Registry
from registry.usecases.recent import Remembered

_REMEMBERED_S = 2.0
_FIX = "enrol this host again: plimsoll host enrol"


def fingerprint(der: bytes) -> str:
    """The sha256 of a certificate, in hex."""
    return hashlib.sha256(der).hexdigest()


def remembered(registry: Registry, der: bytes) -> Identity | None:
    """The host, if this process recognised the very certificate a moment ago."""
    known = registry.callers.get(fingerprint(der))
    return known.identity if known is not None and known.until > time.monotonic() else None


def recognise(registry: Registry, der: bytes) -> Identity:
    """The host that showed this certificate; raises Unauthenticated.

    Another replica may go on letting a revoked host in for as long as it remembers it.
    """
    shown, now = hostca.read(der), datetime.now(UTC)
    name = _name(registry, shown)
    if not shown.since <= now < shown.until:
        raise errors.Unauthenticated(
            f"the certificate of host {name!r} is valid from {shown.since:%Y-%m-%d %H:%M} to "
            f"{shown.until:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}",
            fix=_FIX,
        )
    with registry.database.reading() as session:
        host = hosts.find(session, name)
    if host is None or host.revoked_at is not None:
        what = "was turned out" if host is not None else "is not enrolled"
        raise errors.Unauthenticated(f"host {name!r} {what}", fix=_FIX)
    if shown.since + BACKDATED < host.enrolled_at.replace(microsecond=0):
        raise errors.Unauthenticated(
            f"host {name!r} has enrolled anew since it was given this certificate", fix=_FIX
        )
    identity = Identity(name, (Grant(Role.HOST),), Means.CERTIFICATE, shown.fingerprint)
    left = min(_REMEMBERED_S, (shown.until - now).total_seconds())
    known = Remembered(
        bytes.fromhex(shown.fingerprint), identity, time.monotonic() + left, shown.fingerprint
    )
    registry.callers.put(shown.fingerprint, known)
    return identity


def _name(registry: Registry, shown: Shown) -> str:
    domain = registry.settings.access.trust_domain
    if len(shown.uris) != 1:
        raise errors.Unauthenticated(
            f"the client certificate has {len(shown.uris)} URIs, and must have one", fix=_FIX
        )
    name = spiffe.host_of(shown.uris[0], domain)
    if name is None:
        raise errors.Unauthenticated(
            f"the client certificate is for {shown.uris[0][:200]!r}, which is no host of {domain}",
            fix=_FIX,
        )
    if not shown.is_for_clients:
        raise errors.Unauthenticated("the client certificate is not for TLS clients", fix=_FIX)
    return name
