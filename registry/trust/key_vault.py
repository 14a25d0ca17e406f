"""Key provider `vault`: the transit engine of HashiCorp Vault, or of what speaks its HTTP API.

Vault keeps the key and its versions; a blob's key travels to it wrapped and comes back open, over
TLS. Rewrapping happens inside Vault. The token is read from its file at each call.
"""

from pathlib import Path

import httpx2

from registry import errors
from registry.core import age, canonical, fields
from registry.core.age import FileKey, Stanza
from registry.core.canonical import Json
from registry.trust import keys
from registry.trust.wrapping import Wrapped

_KIND = "plimsoll.dev/vault"
_TIMEOUT = httpx2.Timeout(10, connect=5)
_REFUSED = {401, 403}
_OPENING = ("decrypt/", "rewrap/")
_WHAT = "Vault's answer"


class VaultTransit:
    """The key `name` under `mount`, made at the first use if the token may do that."""

    def __init__(self, url: str, mount: str, name: str, token_file: Path) -> None:
        self._mount = mount
        self._name = name
        self._token_file = token_file
        self._client = httpx2.Client(base_url=url, timeout=_TIMEOUT)
        if self._ask("GET", f"keys/{name}", None).status_code == httpx2.codes.NOT_FOUND:
            self._call("POST", f"keys/{name}", {"type": "aes256-gcm96"})

    def current(self) -> str:
        found = self._call("GET", f"keys/{self._name}")
        return self._named(fields.integer(found, "latest_version", what=_WHAT))

    def generate(self) -> Wrapped:
        asked: dict[str, Json] = {"bits": age.KEY_SIZE * 8}
        found = self._call("POST", f"datakey/plaintext/{self._name}", asked)
        key = FileKey(fields.base64_bytes(found, "plaintext", what=_WHAT))
        return Wrapped(key, *self._stanza(found))

    def unwrap(self, stanza: Stanza) -> FileKey:
        asked: dict[str, Json] = {"ciphertext": self._ciphertext(stanza)}
        found = self._call("POST", f"decrypt/{self._name}", asked)
        return FileKey(fields.base64_bytes(found, "plaintext", what=_WHAT))

    def rewrap(self, stanza: Stanza) -> tuple[Stanza, str]:
        asked: dict[str, Json] = {"ciphertext": self._ciphertext(stanza)}
        return self._stanza(self._call("POST", f"rewrap/{self._name}", asked))

    def rotate(self) -> str:
        self._call("POST", f"keys/{self._name}/rotate", {})
        return self.current()

    def retire(self) -> None:
        found = self._call("GET", f"keys/{self._name}")
        newest = fields.integer(found, "latest_version", what=_WHAT)
        asked: dict[str, Json] = {"min_decryption_version": newest, "min_encryption_version": 0}
        self._call("POST", f"keys/{self._name}/config", asked)

    def _stanza(self, found: dict[str, Json]) -> tuple[Stanza, str]:
        ciphertext = fields.text(found, "ciphertext", what=_WHAT)
        parts = ciphertext.split(":")
        if len(parts) != 3 or parts[0] != "vault" or not parts[1][1:].isdecimal():
            raise errors.Unavailable(f"{_WHAT} is of another form than vault:v1:…")
        stanza = Stanza(_KIND, (self._name,), ciphertext.encode())
        return stanza, self._named(int(parts[1][1:]))

    def _named(self, version: int) -> str:
        return f"vault:{self._name}:v{version}"

    def _ciphertext(self, stanza: Stanza) -> str:
        if stanza.kind != _KIND or stanza.arguments != (self._name,):
            raise errors.DecryptionFailed(
                f"a blob's key is wrapped by {stanza.kind}, not by Vault's key {self._name}",
                fix="set the key provider that was there when the blob was stored",
            )
        return stanza.body.decode("utf-8", "replace")

    def _call(self, method: str, path: str, body: dict[str, Json] | None = None) -> dict[str, Json]:
        """The data of an answer, empty where it has none."""
        answer = self._ask(method, path, body)
        if answer.status_code == httpx2.codes.BAD_REQUEST and path.startswith(_OPENING):
            raise errors.DecryptionFailed(
                f"Vault's key {self._name} does not open this blob's key: {_said(answer)}",
                fix="a version that was retired opens nothing any more",
            )
        if not answer.is_success:
            raise errors.Unavailable(
                f"Vault answered {answer.status_code} to {path}: {_said(answer)}",
                fix="see Vault's own log; it may be sealed, or have no such key",
            )
        if not answer.content:
            return {}
        document = canonical.decode_object(answer.content, what=_WHAT)
        data = document.get("data")
        return data if isinstance(data, dict) else {}

    def _ask(self, method: str, path: str, body: dict[str, Json] | None) -> httpx2.Response:
        token = keys.read_private(self._token_file).decode("utf-8", "replace").strip()
        try:
            answer = self._client.request(
                method, f"/v1/{self._mount}/{path}", json=body, headers={"X-Vault-Token": token}
            )
        except httpx2.HTTPError as error:
            raise errors.Unavailable(
                f"Vault does not answer: {type(error).__name__}", fix="check vault_url and Vault"
            ) from error
        if answer.status_code in _REFUSED:
            raise errors.InvalidConfig(
                f"Vault does not let the token in {self._token_file} do {method} {path}",
                fix="give it a policy for this path of the transit engine, or a token that lasts",
            )
        return answer


def _said(answer: httpx2.Response) -> str:
    """Vault's own words, which name no secret; never the body as it came."""
    try:
        found = canonical.decode_object(answer.content, what=_WHAT).get("errors")
    except errors.InvalidInput:
        return "no JSON"
    return "; ".join(str(one) for one in found)[:200] if isinstance(found, list) else ""
