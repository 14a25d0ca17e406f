"""A small OpenID Connect provider on a real socket, which also says what no honest one would:
discovery, keys, and a token endpoint."""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from unittest.mock import patch
from urllib.parse import parse_qs

import httpx2
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from registry.trust import code_flow
from registry.trust import provider as keys

AUDIENCE = "plimsoll"


def new_key(algorithm: str) -> Key:
    match algorithm:
        case "ES256":
            return ECKey.generate_key("P-256")
        case "RS256":
            return RSAKey.generate_key(2048)
        case _:
            return OKPKey.generate_key("Ed25519")


class IdentityProvider:
    """`claims` are those of whoever asks the token endpoint. Requests for keys are counted."""

    def __init__(self, algorithm: str = "ES256") -> None:
        self.algorithm = algorithm
        self.kid, self.key = "first", new_key(algorithm)
        self.keys: dict[str, Any] = {"keys": [self.public()]}
        self.claims: dict[str, Any] = {}
        self.asked = 0
        self.is_away = False
        self.issuer_said = ""
        self.names_itself = False
        self.codes: dict[str, str] = {}
        handler = type("Handler", (_Handler,), {"provider": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def public(self, **more: Any) -> dict[str, Any]:
        """The present key as a key set lists it."""
        found: dict[str, Any] = self.key.as_dict(private=False)
        return found | {"kid": self.kid, "use": "sig", "alg": self.algorithm} | more

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.kid, self.key = kid, new_key(self.algorithm)
        self.keys = {"keys": [self.public()]}

    def standard(self, **more: Any) -> dict[str, Any]:
        """Claims as they should be, but for `more`; None leaves one out."""
        now = int(time.time())
        found = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now + 300}
        found |= {"email": "alice@example.org", "email_verified": True} | more
        return {name: value for name, value in found.items() if value is not None}

    def token(self, **more: Any) -> str:
        return self.signed(json.dumps(self.standard(**more)).encode())

    def signed(self, payload: bytes, **header: Any) -> str:
        """`payload`, whatever it is, under the present key."""
        said = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT"} | header
        said = {name: value for name, value in said.items() if value is not None}
        return jws.serialize_compact(said, payload, self.key, algorithms=[self.algorithm])


class _Handler(BaseHTTPRequestHandler):
    provider: ClassVar[IdentityProvider]

    def do_GET(self) -> None:
        provider = self.provider
        if provider.is_away:
            self.send_error(503)
        elif self.path == "/.well-known/openid-configuration":
            said = provider.issuer_said or provider.url
            self._answer(
                {
                    "issuer": said,
                    "jwks_uri": f"{provider.url}/keys",
                    "authorization_endpoint": f"{provider.url}/authorize",
                    "token_endpoint": f"{provider.url}/token",
                    "authorization_response_iss_parameter_supported": provider.names_itself,
                }
            )
        elif self.path == "/keys":
            provider.asked += 1
            self._answer(provider.keys)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        form = parse_qs(self.rfile.read(length).decode())
        if self.path == "/token" and form.get("grant_type") == ["authorization_code"]:
            self._redeem(form)
            return
        if self.path != "/token" or form.get("grant_type") != ["client_credentials"]:
            self.send_error(400)
            return
        token = self.provider.token(**self.provider.claims)
        self._answer({"access_token": token, "token_type": "Bearer", "expires_in": 300})

    def _redeem(self, form: dict[str, list[str]]) -> None:
        """Each code once, and with the verifier of its challenge alone (RFC 7636, 4.6)."""
        challenge = self.provider.codes.pop(form.get("code", [""])[0], None)
        verifier = form.get("code_verifier", [""])[0].encode()
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        if challenge is None or challenge.encode() != digest:
            self.send_error(400)
            return
        token = self.provider.token(**self.provider.claims)
        self._answer({"access_token": "-", "token_type": "Bearer", "id_token": token})

    def _answer(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as inherited
        """Nothing."""


@contextmanager
def _patience() -> Iterator[None]:
    """On a busy machine it may be slower than one would let another's be."""
    slow = httpx2.Timeout(60)
    with patch.object(keys, "_TIMEOUT", slow), patch.object(code_flow, "_TIMEOUT", slow):
        yield


@contextmanager
def running(algorithm: str = "ES256") -> Iterator[IdentityProvider]:
    provider = IdentityProvider(algorithm)
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    try:
        with _patience():
            yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()
