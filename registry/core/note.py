"""C2SP signed notes and checkpoints: the log's signed statement of its size and root.

Verification only: the log's Ed25519 signature (type 0x01) here, witnesses' cosignatures (0x04)
in `cosignature`; signing lives in `registry.trust`. Lines by signers that are not asked for are
ignored, as the specification demands; a text that is no signed note is not.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from registry.core import fields
from registry.errors import InvalidInput, SignatureInvalid

ED25519, COSIGNATURE = b"\x01", b"\x04"
DASH = "\u2014"
_MOST_SIGNATURES = 100
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class LogKey:
    """The log's name (its origin line) and its raw Ed25519 public key, 32 bytes."""

    origin: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return _key_id(self.origin, ED25519, self.public_key)


@dataclass(frozen=True, slots=True)
class WitnessKey:
    """A witness's name and its raw Ed25519 public key, 32 bytes, for timestamped cosignatures."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return _key_id(self.name, COSIGNATURE, self.public_key)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line of a note: whose it says it is, and what follows the key's id."""

    name: str
    key_id: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note taken apart, before any of its signatures is believed."""

    body: str
    signatures: tuple[Signature, ...]

    def signed_by(self, name: str, key_id: bytes) -> bytes | None:
        """What this key's line says, None without one; name and id together tell a key.

        A key that signed twice is refused: no honest writer needs it. Raises `InvalidInput`.
        """
        found = [one.blob for one in self.signatures if (one.name, one.key_id) == (name, key_id)]
        if len(found) > 1:
            raise InvalidInput(f"checkpoint has two signatures by {name!r}")
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log of `size` entries has the Merkle root `root`; `text` is the signed note itself."""

    origin: str
    size: int
    root: bytes
    text: str

    @property
    def body(self) -> str:
        """What was signed, without the signatures."""
        return self.text.partition("\n\n")[0] + "\n"


def checkpoint_body(origin: str, size: int, root_base64: str) -> str:
    """C2SP tlog-checkpoint: the three lines that get signed."""
    return f"{origin}\n{size}\n{root_base64}\n"


def signature_line(key: LogKey | WitnessKey, signature_base64: str) -> str:
    """One signature line of a note; `signature_base64` covers key id and signature."""
    name = key.origin if isinstance(key, LogKey) else key.name
    return f"{DASH} {name} {signature_base64}\n"


def parse(text: str) -> Note:
    """C2SP signed-note; the last empty line parts text and signatures. Raises `InvalidInput`."""
    if _CONTROL.search(text):
        raise InvalidInput("signed note has a control character")
    body, separator, signatures = text.rpartition("\n\n")
    if not body or not separator or not signatures.endswith("\n"):
        raise InvalidInput("checkpoint is not a signed note")
    lines = signatures.removesuffix("\n").split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise InvalidInput(f"signed note has {len(lines)} signatures, at most {_MOST_SIGNATURES}")
    return Note(body + "\n", tuple(_signature(line) for line in lines))


def verify_checkpoint(text: str, key: LogKey) -> Checkpoint:
    """Read a checkpoint signed by `key`; raises `InvalidInput` or `SignatureInvalid`."""
    note = parse(text)
    _require_signature(note, key)
    lines = note.body.removesuffix("\n").split("\n")
    if len(lines) < 3 or lines[0] != key.origin or not all(lines):
        raise SignatureInvalid(f"checkpoint is of log {lines[0][:80]!r}, not {key.origin!r}")
    size = number(lines[1], what="checkpoint's size")
    root = fields.unbase64(lines[2], what="checkpoint root")
    if len(root) != 32:
        raise InvalidInput("checkpoint root is not 32 bytes")
    return Checkpoint(key.origin, size, root, text)


def alone(checkpoint: Checkpoint, key: LogKey) -> str:
    """The note as the log signed it, without the lines of witnesses and strangers."""
    blob = parse(checkpoint.text).signed_by(key.origin, key.key_id) or b""
    encoded = base64.b64encode(key.key_id + blob).decode()
    return f"{checkpoint.body}\n{signature_line(key, encoded)}"


def number(text: str, *, what: str) -> int:
    """An ASCII decimal without leading zeroes, below 2^63; raises `InvalidInput`."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text):
        raise InvalidInput(f"{what} is {text[:40]!r}, not a plain number")
    if int(text) >= 2**63:
        raise InvalidInput(f"{what} is {text}, at most 2^63 - 1 is a size")
    return int(text)


def holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this Ed25519 signature is of that key over `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _require_signature(note: Note, key: LogKey) -> None:
    found = note.signed_by(key.origin, key.key_id)
    if found is None:
        raise SignatureInvalid(f"checkpoint has no signature by log {key.origin!r}")
    if not holds(key.public_key, found, note.body.encode()):
        raise SignatureInvalid(f"checkpoint is not signed by log {key.origin!r}")


def _key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    """C2SP signed-note: first 4 bytes of SHA-256(name || 0x0A || type || key)."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:4]


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != DASH or not name or "+" in name or name != "".join(name.split()):
        raise InvalidInput(f"signed note has the signature line {line[:80]!r}")
    raw = fields.unbase64(encoded, what="checkpoint signature")
    if len(raw) < 5:
        raise InvalidInput(f"the signature by {name[:80]!r} is too short to be one")
    return Signature(name, raw[:4], raw[4:])
