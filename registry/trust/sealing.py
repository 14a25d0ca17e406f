"""Small secrets at rest: AES-256-GCM under a key in a file of its own, beside the signing keys.

What is sealed for one purpose and owner opens for no other. Whoever has the database alone has
nothing; whoever restores a backup needs this key file with it.
"""

import base64
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from registry import errors
from registry.trust import keys

_NONCE = 12


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens with one key."""

    key: bytes

    def __repr__(self) -> str:
        return "Vault()"

    def seal(self, content: bytes, *, owner: str) -> bytes:
        """`content` as only this key opens it, and only for `owner`."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.key).encrypt(nonce, content, owner.encode())

    def open(self, sealed: bytes, *, owner: str) -> bytes:
        """Raises IntegrityError where key, owner or bytes are not those it was sealed with."""
        try:
            return AESGCM(self.key).decrypt(sealed[:_NONCE], sealed[_NONCE:], owner.encode())
        except (InvalidTag, ValueError) as error:
            raise errors.IntegrityError(
                f"the secret of {owner} was sealed with another key than keys/secrets.key",
                fix="put the old key file back, or give it a new secret",
            ) from error

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose: always the same, and nobody without the key knows them."""
        return HKDF(SHA256(), 32, None, b"plimsoll " + purpose.encode()).derive(self.key)


def load_or_create(path: Path) -> Vault:
    """The key at `path`, made at the first call; of two processes at once, both get the same."""
    if not path.exists():
        with suppress(FileExistsError):
            keys.write_new(path, base64.b64encode(AESGCM.generate_key(bit_length=256)) + b"\n")
    try:
        key = base64.b64decode(keys.read_private(path).strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise errors.InvalidConfig(
            f"{path}: not a key of 32 bytes in base64", fix="put the registry's own file back"
        )
    return Vault(key)
