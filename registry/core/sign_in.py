"""A person's way through their identity provider and back: OpenID Connect's code flow, with PKCE.

What is asked for, and what must be true of the answer. Each check names its paragraph: RFC 6749
is OAuth 2.0, RFC 7636 PKCE, RFC 9207 the issuer in an answer, "Core" is OpenID Connect Core 1.0.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from registry.core import canonical, fields, jwt
from registry.core.canonical import Json
from registry.errors import InvalidInput, Unauthenticated

_WHAT = "sign-in"
_PATH = re.compile(r"/[!-\[\]-~]*")
_LONGEST_PATH = 1024
_PROTOCOL = frozenset({"aud", "azp", "nonce", "at_hash", "c_hash", "exp", "iat", "nbf", "jti"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to a provider: what only the browser that began it has. `until` is in seconds since
    1970; `back` is the page that was asked for."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    back: str
    until: float

    def encode(self) -> bytes:
        return canonical.encode(
            {
                "issuer": self.issuer,
                "state": self.state,
                "nonce": self.nonce,
                "verifier": self.verifier,
                "back": self.back,
                "until": self.until,
            }
        )


def decode(content: bytes) -> Attempt:
    """Raises InvalidInput."""
    found = canonical.decode_object(content, what=_WHAT)
    texts = {
        name: fields.text(found, name, what=_WHAT)
        for name in ("issuer", "state", "nonce", "verifier", "back")
    }
    until = found.get("until")
    if not isinstance(until, int | float):
        raise InvalidInput(f"{_WHAT}: until is no time")
    return Attempt(**texts, until=float(until))


def question(attempt: Attempt, *, client: str, scopes: Sequence[str], callback: str) -> str:
    """The query of the authorization request (Core, 3.1.2.1), with a challenge (RFC 7636, 4.3)."""
    challenge = hashlib.sha256(attempt.verifier.encode()).digest()
    return urlencode(
        {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": callback,
            "scope": " ".join(scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
    )


def require_answer(attempt: Attempt, answer: Mapping[str, str], *, names_itself: bool) -> str:
    """The code of an answer that is to this very attempt; raises Unauthenticated.

    `names_itself` says whether the provider promises to name itself in each answer.
    """
    if not hmac.compare_digest(attempt.state.encode(), answer.get("state", "").encode()):
        raise refused("it answers another sign-in than the one this browser began")  # 6749, 10.12
    issuer = answer.get("iss", "" if names_itself else attempt.issuer)
    if issuer != attempt.issuer:
        raise refused("it is answered by another provider than was asked")  # 9207, 2.4
    if "error" in answer:
        said = answer.get("error_description") or answer["error"]
        raise refused(f"your identity provider says: {said[:200]}")
    code = answer.get("code", "")
    if not code:
        raise refused("your identity provider sent no code")
    return code


def require_token(claims: dict[str, Json], attempt: Attempt, *, client: str) -> None:
    """What Core, 3.1.3.7, demands of an ID token besides signature, audience and times."""
    if claims.get("iss") != attempt.issuer:
        raise jwt.refused("it is of another issuer than was asked")
    audience, party = claims.get("aud"), claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise jwt.refused("it is for several, and does not say who asked for it")
    if party is not None and party != client:
        raise jwt.refused("somebody else asked for it")
    nonce = claims.get("nonce")
    is_ours = isinstance(nonce, str) and hmac.compare_digest(nonce.encode(), attempt.nonce.encode())
    if not is_ours:
        raise jwt.refused("it was made for another sign-in")


def kept(claims: dict[str, Json]) -> dict[str, Json]:
    """The claims that say something of the person, in the forms that a grant can ask for."""
    return {
        name: value
        for name, value in claims.items()
        if name not in _PROTOCOL and isinstance(value, str | bool | list)
    }


def local_path(text: str) -> str:
    """`text`, where it is a path on this very registry, else the overview: no open redirect.

    Browsers take `//host`, `/\\host` and what has control characters in it for other places.
    """
    is_path = len(text) <= _LONGEST_PATH and _PATH.fullmatch(text) is not None
    if not is_path or text.startswith("//"):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    is_elsewhere = bool(parts.scheme or parts.netloc)
    return "/" if is_elsewhere or parts.path.startswith("/login") else text


def refused(reason: str) -> Unauthenticated:
    """A sign-in that comes to nothing, and why."""
    return Unauthenticated(f"the sign-in is not accepted: {reason}", fix="sign in again")
