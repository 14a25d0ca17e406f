"""JSON Web Tokens (RFC 7519) as identity providers send them: their form, and what they claim.

The signature is somebody else's to verify; nothing here may be believed before that. RFC 8725
says what goes wrong with tokens, and each check names its section.
"""

import base64
import binascii
import math
from dataclasses import dataclass

from registry.core import canonical, fields
from registry.core.canonical import Json
from registry.errors import InvalidInput, Unauthenticated

# RFC 8725, 3.1: these and no others. None needs a secret that both sides know.
ALGORITHMS = frozenset({"ES256", "RS256", "Ed25519"})
TOKEN_LIMIT = 16 * 1024
_SUBJECT_LIMIT = 256
_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})
_WHAT = "the token"


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, believed by nobody yet."""

    algorithm: str
    key: str
    issuer: str
    claims: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Demands:
    """What claims must be like; `lasting` and `leeway` in seconds."""

    audience: str
    lasting: float
    leeway: float


def looks_like_one(text: str) -> bool:
    """Whether `text` has the three parts of a signed token."""
    return text.count(".") == 2


def parse(token: str) -> Unverified:
    """Take a token apart; raises Unauthenticated, naming what is wrong and repeating nothing."""
    if len(token) > TOKEN_LIMIT:
        raise refused(f"it has {len(token)} characters, at most {TOKEN_LIMIT} are read")
    try:
        head, body, _ = token.split(".")
        # Both refuse a name that stands twice: readers would differ in which one they take.
        header = canonical.decode_object(_decoded(head), what=_WHAT)
        claims = canonical.decode_object(_decoded(body), what=_WHAT)
        algorithm = fields.text(header, "alg", what=_WHAT)
        issuer = fields.text(claims, "iss", what=_WHAT)
        kind = fields.text(header, "typ", what=_WHAT).lower() if "typ" in header else ""
    except (InvalidInput, ValueError) as error:
        raise refused(f"it cannot be read: {error}") from error
    if algorithm not in ALGORITHMS:
        raise refused(f"its algorithm is {algorithm[:20]!r}, not one of {_listed()}")
    if "crit" in header:
        raise refused("it demands extensions that nobody here knows")  # RFC 7515, 4.1.11
    if kind not in _TYPES:
        raise refused(f"it is of type {kind[:40]!r}")  # RFC 8725, 3.11
    key = header.get("kid")
    if not isinstance(key, str) or not key:
        raise refused("it does not say which key signed it")
    return Unverified(algorithm, key, issuer, claims)


def require(claims: dict[str, Json], demands: Demands, *, now: float) -> str:
    """The subject, where the claims are as demanded at the time `now`; raises Unauthenticated."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if demands.audience not in named:
        raise refused("it is for another audience")  # RFC 8725, 3.9
    _require_time(claims, demands, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LIMIT:
        raise refused("it names no subject")
    return subject


def expiry(claims: dict[str, Json]) -> float:
    """When the token ends; raises Unauthenticated."""
    return _moment(claims, "exp")


def refused(reason: str) -> Unauthenticated:
    """A token that is not taken, and why."""
    return Unauthenticated(
        f"the token is not accepted: {reason}",
        fix="get a new one from your identity provider; see docs/trust/access.md",
    )


def _require_time(claims: dict[str, Json], demands: Demands, now: float) -> None:
    issued, ends = _moment(claims, "iat"), _moment(claims, "exp")
    if ends <= now - demands.leeway:
        raise refused(f"it expired {now - ends:.0f} s ago")
    if issued > now + demands.leeway:
        raise refused(f"it was issued {issued - now:.0f} s from now")
    if "nbf" in claims and _moment(claims, "nbf") > now + demands.leeway:
        raise refused("it is not valid yet")
    if not 0 <= ends - issued <= demands.lasting:
        raise refused(
            f"it lasts {ends - issued:.0f} s, and at most {demands.lasting:.0f} s are accepted"
        )


def _moment(claims: dict[str, Json], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise refused(f"its {name!r} is no time")


def _decoded(part: str) -> bytes:
    """RFC 7515, section 2: base64url without padding."""
    if not part.isascii() or "=" in part or "+" in part or "/" in part:
        raise ValueError("a part is not base64url")
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("a part is not base64url") from error


def _listed() -> str:
    return ", ".join(sorted(ALGORITHMS))
