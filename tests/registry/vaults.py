"""A small server that speaks the part of Vault's transit HTTP API that we use; it is not Vault.

Paths, fields and the form vault:v1:… are those of Vault's documentation. Keys are in memory.
"""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

import httpx2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from registry.trust import key_vault

TOKEN = "hvs.known-only-to-the-test"


class Transit:
    """Named keys with versions; `calls` are the paths that were asked for, `is_sealed` says no."""

    def __init__(self) -> None:
        self.keys: dict[str, list[bytes]] = {}
        self.oldest: dict[str, int] = {}
        self.calls: list[str] = []
        self.is_sealed = False
        self.url = ""

    def encrypt(self, name: str, plain: bytes) -> dict[str, Any]:
        version, nonce = len(self.keys[name]), secrets.token_bytes(12)
        sealed = nonce + AESGCM(self.keys[name][-1]).encrypt(nonce, plain, None)
        text = f"vault:v{version}:{base64.b64encode(sealed).decode()}"
        return {"ciphertext": text, "key_version": version}

    def decrypt(self, name: str, ciphertext: str) -> bytes:
        prefix, version, body = ciphertext.split(":")
        if prefix != "vault":
            raise ValueError("invalid ciphertext: no prefix")
        number, sealed = int(version[1:]), base64.b64decode(body)
        if number < self.oldest.get(name, 1):
            raise ValueError("ciphertext or signature version is disallowed by policy (too old)")
        return AESGCM(self.keys[name][number - 1]).decrypt(sealed[:12], sealed[12:], None)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        verb, _, name = path.partition("/")
        if verb == "keys":
            return self._manage(method, *name.split("/"), body=body)
        if method != "POST" or verb not in ("datakey", "decrypt", "rewrap"):
            return 404, {"errors": ["no handler for route"]}
        if verb == "datakey":
            plain = secrets.token_bytes(body["bits"] // 8)
            shown = {"plaintext": base64.b64encode(plain).decode()}
            return 200, {"data": shown | self.encrypt(name.removeprefix("plaintext/"), plain)}
        plain = self.decrypt(name, body["ciphertext"])
        if verb == "rewrap":
            return 200, {"data": self.encrypt(name, plain)}
        return 200, {"data": {"plaintext": base64.b64encode(plain).decode()}}

    def _manage(
        self, method: str, name: str, action: str = "", *, body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            known = self.keys.get(name)
            if known is None:
                return 404, {"errors": []}
            return 200, {"data": {"name": name, "latest_version": len(known)}}
        if action == "config":
            self.oldest[name] = body["min_decryption_version"]
        elif action == "rotate" or name not in self.keys:
            self.keys.setdefault(name, []).append(secrets.token_bytes(32))
        return 204, {}


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        self._reply("GET")

    def do_POST(self) -> None:
        self._reply("POST")

    def _reply(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.transit.calls.append(f"{method} {self.path}")
        status, document = self._decide(method, json.loads(content or b"{}"))
        answer = json.dumps(document).encode() if document else b""
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _decide(self, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        transit = self.server.transit
        if transit.is_sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if self.headers.get("x-vault-token") != TOKEN:
            return 403, {"errors": ["permission denied"]}
        try:
            return transit.answer(method, self.path.removeprefix("/v1/transit/"), body)
        except (ValueError, InvalidTag, IndexError) as error:
            return 400, {"errors": [str(error) or "invalid ciphertext"]}

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, transit: Transit) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.transit = transit


@contextmanager
def running() -> Iterator[Transit]:
    """Until the block ends, at `url`."""
    transit = Transit()
    server = _Server(transit)
    transit.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        # On a busy machine it may be slower than a vault should be.
        with patch.object(key_vault, "_TIMEOUT", httpx2.Timeout(60)):
            yield transit
    finally:
        server.shutdown()
        server.server_close()
