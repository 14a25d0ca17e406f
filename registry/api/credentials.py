"""What a request shows of who sends it: a bearer token, a password, a cookie, a certificate."""

import base64
import binascii
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import structlog
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from registry import errors
from registry.api import tls
from registry.api.sendfile import PEER, TLS
from registry.core import jwt
from registry.core.identity import Identity
from registry.pages import forms, guarding
from registry.trust import hostca
from registry.usecases import access, oidc, pacing, peers, sessions
from registry.usecases.opening import Registry

_LOG = structlog.get_logger("registry.access")
_HEADER = "client-cert"
_BYTES = re.compile(r":([A-Za-z0-9+/=]+):")


async def identity(request: Request, registry: Registry) -> Identity:
    """Who sends it; raises Unauthenticated. What is said in words goes before a certificate."""
    shown, der = secret(request), certificate(request, registry)
    known = _remembered(registry, shown, der)
    if known is None and (shown or der is not None):
        with guess(request):
            return await run_in_threadpool(_recognise, registry, shown, der)
    if known is None:
        raise access.unknown()
    return known


@contextmanager
def guess(request: Request) -> Iterator[None]:
    """Somebody shows what may be right: raises RateLimited where their address guessed too often.

    Whom this process recognised a moment ago is not asked: a neighbour's guesses do no harm.
    """
    address = pacing.of_address(request.client.host if request.client else "")
    request.app.state.failures.require_room(address, "wrong credentials from this address")
    request.state.has_shown = True
    try:
        yield
    except errors.Unauthenticated:
        request.app.state.failures.count(address)
        raise


def _remembered(registry: Registry, shown: str, der: bytes | None) -> Identity | None:
    """Asks neither database nor network."""
    if jwt.looks_like_one(shown):
        return oidc.remembered(registry, shown)
    if shown.startswith(sessions.PREFIX):
        return sessions.remembered(registry, shown)
    if shown or der is None:
        return access.remembered(registry, shown, _fingerprint(der))
    return peers.remembered(registry, der)


def _recognise(registry: Registry, shown: str, der: bytes | None) -> Identity:
    if jwt.looks_like_one(shown):
        return oidc.recognise(registry, shown)
    if shown.startswith(sessions.PREFIX):
        return sessions.recognise(registry, shown)
    if shown or der is None:
        return access.recognise(registry, shown, _fingerprint(der))
    return peers.recognise(registry, der)


def _fingerprint(der: bytes | None) -> str:
    return peers.fingerprint(der) if der else ""


def secret(request: Request) -> str:
    """The token: after Bearer, or as the password of Basic, or a browser's cookie; or nothing."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            said = value.strip()
        case "basic":
            said = _password(value)
        case _:
            return _cookie(request)
    # A browser's session is good in its cookie alone, with all that guards a cookie.
    return "" if said.startswith(sessions.PREFIX) else said


def certificate(request: Request, registry: Registry) -> bytes | None:
    """The client's certificate, whose chain was checked: by our own TLS, or by a proxy's.

    A header counts only where the connection itself is from a proxy that the settings name.
    """
    found = request.scope.get("extensions", {})
    chain = found.get(TLS, {}).get("client_cert_chain", [])
    if chain:
        return ssl.PEM_cert_to_DER_cert(chain[0])
    header = request.headers.getlist(_HEADER)
    if not header:
        return None
    address = found.get(PEER, {}).get("address", "")
    if not _is_proxy(registry, address):
        _LOG.warning("client-cert header ignored: not from a trusted proxy", address=address)
        return None
    return _from_proxy(registry, header)


def _from_proxy(registry: Registry, header: list[str]) -> bytes:
    """RFC 9440: one header, of the DER in base64 between colons."""
    form = _BYTES.fullmatch(header[0].strip()) if len(header) == 1 else None
    try:
        der = base64.b64decode(form[1], validate=True) if form else b""
    except binascii.Error:
        der = b""
    if not der:
        raise errors.Unauthenticated(
            "the proxy's Client-Cert header is not as in RFC 9440",
            fix="let the proxy send one certificate, as :base64:",
        )
    authorities = tls.authorities(registry.settings.access, registry.hosts_authority.pem)
    if not hostca.is_issued_by(der, authorities):
        raise errors.Unauthenticated(
            "the client certificate that the proxy names is from nobody who is trusted here",
            fix="enrol this host: plimsoll host enrol",
        )
    return der


def _is_proxy(registry: Registry, address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in registry.settings.access.proxies)


def _password(value: str) -> str:
    """What many tools can send: any name, and the token for a password."""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (ValueError, UnicodeDecodeError):
        return ""


def _cookie(request: Request) -> str:
    """A browser's secret: for reading and our own forms, so that no other site makes it act."""
    may_count = request.method == "GET" or guarding.is_admitted(request)
    return forms.cookie(request) if may_count else ""
