"""C2SP signed notes and checkpoints: the log's signed statement of its size and root.

Verification only (Ed25519, signature type 0x01); signing lives in `registry.trust`. Lines by
signers that are not asked for, such as witnesses, are ignored, as the specification demands.
"""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.core import fields
from registry.errors import InvalidInput, SignatureInvalid

ED25519 = b"\x01"
COSIGNATURE = b"\x04"


@dataclass(frozen=True, slots=True)
class LogKey:
    """The log's name (its origin line) and its raw Ed25519 public key, 32 bytes."""

    origin: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """C2SP signed-note: first 4 bytes of SHA-256(name || 0x0A || type || key)."""
        message = self.origin.encode() + b"\n" + ED25519 + self.public_key
        return hashlib.sha256(message).digest()[:4]


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and its raw Ed25519 public key, 32 bytes (C2SP cosignature/v1)."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """As `LogKey.key_id`, of signature type 0x04: timestamped cosignatures."""
        message = self.name.encode() + b"\n" + COSIGNATURE + self.public_key
        return hashlib.sha256(message).digest()[:4]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log of `size` entries has the Merkle root `root`; `text` is the signed note itself."""

    origin: str
    size: int
    root: bytes
    text: str


def checkpoint_body(origin: str, size: int, root_base64: str) -> str:
    """C2SP tlog-checkpoint: the three lines that get signed."""
    return f"{origin}\n{size}\n{root_base64}\n"


def signature_line(key: LogKey, signature_base64: str) -> str:
    """One signature line of a note; `signature_base64` covers key id and signature."""
    return f"\u2014 {key.origin} {signature_base64}\n"


def verify_checkpoint(text: str, key: LogKey) -> Checkpoint:
    """Read a checkpoint signed by `key`; raises `InvalidInput` or `SignatureInvalid`."""
    body, separator, signatures = text.partition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise InvalidInput("checkpoint is not a signed note")
    body += "\n"
    _require_signature(body, signatures, key)
    lines = body.split("\n")
    if len(lines) < 4 or lines[0] != key.origin:
        raise SignatureInvalid(f"checkpoint is of log {lines[0][:80]!r}, not {key.origin!r}")
    if not lines[1].isascii() or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise InvalidInput(f"checkpoint has the size {lines[1][:40]!r}")
    root = fields.unbase64(lines[2], what="checkpoint root")
    if len(root) != 32:
        raise InvalidInput("checkpoint root is not 32 bytes")
    return Checkpoint(key.origin, int(lines[1]), root, text)


def _require_signature(body: str, signatures: str, key: LogKey) -> None:
    for line in signatures.splitlines():
        dash, name, blob = _split(line)
        if dash != "\u2014" or name != key.origin:
            continue
        raw = fields.unbase64(blob, what="checkpoint signature")
        if raw[:4] != key.key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public_key).verify(raw[4:], body.encode())
        except (InvalidSignature, ValueError) as error:
            raise SignatureInvalid(f"checkpoint is not signed by log {key.origin!r}") from error
        return
    raise SignatureInvalid(f"checkpoint has no signature by log {key.origin!r}")


def _split(line: str) -> tuple[str, str, str]:
    parts = line.split(" ")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")
