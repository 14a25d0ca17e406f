"""People sign in to the pages at their identity provider, and out again.

On the way there all that is kept is in the browser itself, sealed: nobody can fill the database by
beginning to sign in. An answer makes one session and never a second; what the session's person may
do is asked of the access file again every few seconds.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from registry import errors
from registry.core import canonical, jwt, sign_in
from registry.core.canonical import Json
from registry.core.identity import Identity
from registry.core.jwt import Demands
from registry.core.sign_in import Attempt
from registry.db import sessions, tables_access
from registry.settings_access import SignIn
from registry.usecases import oidc
from registry.usecases.opening import Registry
from registry.usecases.recent import Remembered

if TYPE_CHECKING:
    from registry.trust.provider import Provider

PREFIX = "pls_"
ATTEMPT_S = 600.0
_REMEMBERED_S = 2.0
# An ID token says who somebody is at this moment; how long it would last is of no matter here.
_LASTING_S = 7 * 86400.0
_FORM = re.compile(rf"{PREFIX}([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})")
_OWNER = "sign-in"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send a browser, and what it is to bring back in a cookie."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The session's secret, for how many seconds it is good, and the page that was asked for."""

    secret: str
    seconds: int
    back: str
    identity: Identity


def labels(registry: Registry) -> tuple[str, ...]:
    """What the buttons say, in the order of the settings."""
    return tuple(
        client.label or provider.issuer.url.partition("://")[2].rstrip("/")
        for provider, client in _offered(registry)
    )


def callback(registry: Registry) -> str:
    """Where a provider sends people back to: never what a request says."""
    return f"{registry.settings.url}/login/callback"


def begin(registry: Registry, number: int, back: str) -> Begun:
    """Towards the provider of that number; raises NotFound, Unavailable."""
    offered = _offered(registry)
    if not 0 <= number < len(offered):
        raise errors.NotFound("no identity provider of this number", fix="see /login")
    provider, client = offered[number]
    endpoint = provider.endpoints().authorization
    attempt = Attempt(
        issuer=provider.issuer.url,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        back=sign_in.local_path(back),
        until=time.time() + ATTEMPT_S,
    )
    asked = sign_in.question(
        attempt, client=client.client, scopes=client.scopes, callback=callback(registry)
    )
    sealed = base64.urlsafe_b64encode(registry.vault.seal(attempt.encode(), owner=_OWNER)).decode()
    return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{asked}", sealed)


def complete(registry: Registry, cookie: str, answer: dict[str, str]) -> SignedIn:
    """Who came back is signed in; raises Unauthenticated, Forbidden, Unavailable."""
    from registry.trust import code_flow  # noqa: PLC0415  heavy, and most have no such provider

    attempt, now = _attempt(registry, cookie), time.time()
    found = [one for one in _offered(registry) if one[0].issuer.url == attempt.issuer]
    if not found:
        raise sign_in.refused("people do not sign in at that provider any more")
    (provider, client), endpoints = found[0], found[0][0].endpoints()
    code = sign_in.require_answer(attempt, answer, names_itself=endpoints.names_itself)
    _require_first(registry, attempt)
    token = code_flow.id_token(
        endpoints.token,
        client,
        code=code,
        verifier=attempt.verifier,
        callback=callback(registry),
    )
    claims = oidc.verified(provider, token)
    sign_in.require_token(claims, attempt, client=client.client)
    demands = Demands(client.client, _LASTING_S, provider.issuer.leeway)
    subject = jwt.require(claims, demands, now=now)
    identity = oidc.identity(registry, attempt.issuer, subject, claims)
    secret = _open(registry, attempt, subject, sign_in.kept(claims), hours=client.hours)
    return SignedIn(secret, int(client.hours * 3600), attempt.back, identity)


def remembered(registry: Registry, secret: str) -> Identity | None:
    """The caller, if this process recognised the very session a moment ago."""
    form = _FORM.fullmatch(secret)
    known = registry.callers.get(form[1]) if form else None
    if known is None or known.until < time.monotonic():
        return None
    is_right = hmac.compare_digest(known.secret_sha256, _sha256(secret))
    return known.identity if is_right else None


def recognise(registry: Registry, secret: str) -> Identity:
    """Who is signed in; raises Unauthenticated, or Forbidden where nothing is granted any more."""
    form = _FORM.fullmatch(secret)
    with registry.database.reading() as session:
        row = sessions.find(session, form[1]) if form else None
    is_right = hmac.compare_digest(row.secret_sha256 if row else bytes(32), _sha256(secret))
    left = (row.expires_at - datetime.now(UTC)).total_seconds() if row else 0.0
    is_offered = row is not None and row.issuer in registry.providers
    if row is None or not is_right or left <= 0 or not is_offered:
        raise errors.Unauthenticated("you are not signed in any more", fix="sign in again")
    content = registry.vault.open(row.claims, owner=f"session {row.id}")
    claims = canonical.decode_object(content, what="session")
    identity = oidc.identity(registry, row.issuer, row.subject, claims)
    until = time.monotonic() + min(_REMEMBERED_S, left)
    registry.callers.put(row.id, Remembered(row.secret_sha256, identity, until))
    return identity


def end(registry: Registry, secret: str) -> None:
    """Sign out: from the next request on the session is nobody's. Of no session, do nothing."""
    form = _FORM.fullmatch(secret)
    if form is None:
        return
    with registry.database.writing() as session:
        row = sessions.find(session, form[1])
        if row is not None and hmac.compare_digest(row.secret_sha256, _sha256(secret)):
            sessions.end(session, form[1])
        session.commit()
    registry.callers.drop(form[1])


def _offered(registry: Registry) -> "list[tuple[Provider, SignIn]]":
    return [
        (one, one.issuer.sign_in)
        for one in registry.providers.values()
        if one.issuer.sign_in is not None
    ]


def _attempt(registry: Registry, cookie: str) -> Attempt:
    try:
        sealed = base64.urlsafe_b64decode(cookie.encode())
        found = sign_in.decode(registry.vault.open(sealed, owner=_OWNER))
    except (errors.IntegrityError, errors.InvalidInput, ValueError) as error:
        raise sign_in.refused("this browser has not begun one") from error
    if found.until < time.time():
        raise sign_in.refused("it took too long")
    return found


def _require_first(registry: Registry, attempt: Attempt) -> None:
    with registry.database.reading() as session:
        if sessions.is_answered(session, _sha256(attempt.state)):
            raise sign_in.refused("it was answered before")


def _open(
    registry: Registry, attempt: Attempt, subject: str, claims: dict[str, Json], *, hours: float
) -> str:
    session_id, now = secrets.token_hex(8), datetime.now(UTC)
    secret = f"{PREFIX}{session_id}_{secrets.token_urlsafe(32)}"
    content = canonical.encode({**claims, "sub": subject})
    row = tables_access.Session(
        id=session_id,
        secret_sha256=_sha256(secret),
        attempt=_sha256(attempt.state),
        issuer=attempt.issuer,
        subject=subject,
        claims=registry.vault.seal(content, owner=f"session {session_id}"),
        created_at=now,
        expires_at=now + timedelta(hours=hours),
    )
    try:
        with registry.database.writing() as session:
            sessions.drop_old(session, now)
            session.add(row)
            session.commit()
    except errors.Conflict as error:
        raise sign_in.refused("it was answered before") from error
    return secret


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
