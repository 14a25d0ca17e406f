"""Verifies the signatures of JSON Web Tokens. joserfc's one home.

The key decides which algorithm it is for, not the token: a public key is never taken for a
secret, nor a key of one kind for another.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from registry.core import fields
from registry.core.canonical import Json
from registry.errors import InvalidInput

_RSA_BITS = 2048
_WHAT = "key set"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies one algorithm's signatures."""

    key: Key
    algorithm: str


def key_set(document: dict[str, Json]) -> Mapping[str, PublicKey]:
    """Those keys of a JWK set (RFC 7517) that may sign tokens for us, by their ids.

    What is for encryption, secret, weak or of another kind is left out; raises InvalidInput.
    """
    found: dict[str, PublicKey] = {}
    for item in fields.objects(document, "keys", what=_WHAT):
        name, key = item.get("kid"), _key(item)
        if not isinstance(name, str) or not name or key is None:
            continue
        if name in found:
            raise InvalidInput(f"{_WHAT}: two keys are called {name[:80]!r}")
        found[name] = key
    return found


def is_signed(token: str, by: PublicKey, algorithm: str) -> bool:
    """Whether the key, with its own algorithm, signed this very token."""
    if algorithm != by.algorithm:
        return False
    try:
        jws.deserialize_compact(token, by.key, algorithms=[by.algorithm])
    except (JoseError, ValueError):
        return False
    return True


def _key(item: dict[str, Json]) -> PublicKey | None:
    operations = item.get("key_ops", ["verify"])
    is_to_verify = item.get("use", "sig") == "sig" and (
        isinstance(operations, list) and "verify" in operations
    )
    if not is_to_verify or "d" in item:
        return None
    try:
        key = import_key(
            {name: str(item[name]) for name in ("kty", "crv", "x", "y", "n", "e") if name in item}
        )
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    algorithm = _algorithm(key)
    if algorithm is None or item.get("alg", algorithm) not in {algorithm, _OLD.get(algorithm)}:
        return None
    return PublicKey(key, algorithm)


# RFC 9864 gave it the name of the key's kind; sets still say the old one.
_OLD = {"Ed25519": "EdDSA"}


def _algorithm(key: Key) -> str | None:
    match key:
        case ECKey() if key.curve_name == "P-256":
            return "ES256"
        case OKPKey() if key.curve_name == "Ed25519":
            return "Ed25519"
        case RSAKey() if key.public_key.key_size >= _RSA_BITS:
            return "RS256"
        case _:
            return None
