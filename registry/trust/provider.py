"""An identity provider's keys, by OpenID Connect discovery, kept while it is away.

They are fetched again when they are old, and when a token names a key that is not among them, but
not more often than every few seconds: tokens with invented keys make no traffic.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2
import structlog

from registry import errors
from registry.core import canonical, destination, fields
from registry.core.canonical import Json
from registry.settings_access import Issuer
from registry.trust import jwt
from registry.trust.jwt import PublicKey

_LOG = structlog.get_logger("registry.trust")
_DOCUMENT_LIMIT = 512 * 1024
_TIMEOUT = httpx2.Timeout(5.0)
_OLD_S = 300.0
_BETWEEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where people are sent, where codes are redeemed, and whether each answer names its issuer."""

    authorization: str
    token: str
    names_itself: bool


class Provider:
    """One issuer. Threads share it; while one fetches, the others go on with what is there."""

    def __init__(self, issuer: Issuer, *, between: float = _BETWEEN_S) -> None:
        self.issuer = issuer
        self._between = between
        self._keys: Mapping[str, PublicKey] = {}
        self._about: dict[str, Json] = {}
        self._fetched = self._tried = -1e9
        self._lock = threading.Lock()

    def key(self, name: str) -> PublicKey | None:
        """The key called `name`, None where the provider has none such.

        Raises Unavailable where it cannot be asked, or could not for too long.
        """
        now = time.monotonic()
        if name not in self._keys or now - self._fetched > _OLD_S:
            self._refresh(now)
        if time.monotonic() - self._fetched > self.issuer.keys_hours * 3600:
            raise errors.Unavailable(
                f"identity provider {self.issuer.url} has not answered for too long",
                fix="see whether the registry can reach it; tokens of the registry's own work",
            )
        return self._keys.get(name)

    def endpoints(self) -> Endpoints:
        """For people who sign in; raises Unavailable where it does not answer, or names none."""
        if not self._about:
            self._refresh(time.monotonic())
        found = [self._about.get(f"{one}_endpoint") for one in ("authorization", "token")]
        addresses = [one for one in found if isinstance(one, str)]
        if len(addresses) != 2 or not all(map(destination.is_confidential, addresses)):
            raise errors.Unavailable(
                f"identity provider {self.issuer.url} does not say where people sign in",
                fix="see whether the registry can reach it; tokens of the registry's own work",
            )
        names_itself = self._about.get("authorization_response_iss_parameter_supported") is True
        return Endpoints(addresses[0], addresses[1], names_itself)

    def _refresh(self, now: float) -> None:
        is_ours = self._lock.acquire(blocking=not self._keys)
        if not is_ours:
            return
        try:
            if now - self._tried < self._between or self._fetched > now:
                return
            self._tried = time.monotonic()
            self._keys, self._fetched = self._read(), time.monotonic()
        except (errors.PlimsollError, httpx2.HTTPError, OSError) as error:
            what = error.detail if isinstance(error, errors.PlimsollError) else repr(error)
            _LOG.warning("identity provider not read", issuer=self.issuer.url, detail=what[:300])
        finally:
            self._lock.release()

    def _read(self) -> Mapping[str, PublicKey]:
        with httpx2.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
            place = f"{self.issuer.url.rstrip('/')}/.well-known/openid-configuration"
            about = _document(client, place)
            # OpenID Connect Discovery 1.0, 4.3: exactly the issuer that was asked for.
            if about.get("issuer") != self.issuer.url:
                raise errors.InvalidInput(f"{place} is about another issuer")
            address = fields.text(about, "jwks_uri", what=place)
            if not destination.is_confidential(address):
                raise errors.InvalidInput(f"{place}: jwks_uri is no https address")
            keys = jwt.key_set(_document(client, address))
            self._about = about
            return keys


def _document(client: httpx2.Client, address: str) -> dict[str, Json]:
    received = bytearray()
    with client.stream("GET", address, headers={"Accept": "application/json"}) as answer:
        if answer.status_code != 200:
            raise errors.Unavailable(f"{address} answered {answer.status_code}")
        for chunk in answer.iter_bytes():
            received += chunk
            if len(received) > _DOCUMENT_LIMIT:
                raise errors.TooLarge(f"{address}: over {_DOCUMENT_LIMIT} bytes")
    return canonical.decode_object(bytes(received), what=address)
