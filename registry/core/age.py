"""age v1 files (c2sp.org/age): the header, which wraps a file key for its recipients.

What comes after it is in `age_payload`. Everything random is given by the caller. A header is
taken byte for byte as the specification wants it, or refused; error messages and reprs never
hold a key.
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from registry.core import bech32
from registry.errors import DecryptionFailed, InvalidInput

MEDIA_TYPE = "application/vnd.age"
MAX_HEADER = 64 * 1024
KEY_SIZE = 16

_VERSION = b"age-encryption.org/v1\n"
_LABEL = b"age-encryption.org/v1/X25519"
_X25519 = "X25519"
_END = re.compile(rb"\n--- ([^\n]*)\n")
_ARGUMENT = re.compile(r"[!-~]+")
_COLUMNS = 64


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """The 16 bytes that open one file."""

    secret: bytes

    def __repr__(self) -> str:
        return "FileKey()"


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """The private half of an X25519 key pair, as 32 bytes; `recipient` is the other, `age1…`."""

    secret: bytes
    recipient: str = field(init=False, compare=False)
    public: bytes = field(init=False, compare=False)
    key: X25519PrivateKey = field(init=False, compare=False)

    def __post_init__(self) -> None:
        key = X25519PrivateKey.from_private_bytes(self.secret)
        public = key.public_key().public_bytes_raw()
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "public", public)
        object.__setattr__(self, "recipient", bech32.encode("age", public))

    def __repr__(self) -> str:
        return f"Identity({self.recipient})"

    @property
    def text(self) -> str:
        """`AGE-SECRET-KEY-1…`, for a private file."""
        return bech32.encode("age-secret-key-", self.secret).upper()


@dataclass(frozen=True, slots=True)
class Stanza:
    """The file key, wrapped in one way; others skip kinds that they do not know."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it was read: `signed` are the bytes under its MAC, `size` all of it."""

    stanzas: tuple[Stanza, ...]
    signed: bytes
    mac: bytes
    size: int

    def verify(self, key: FileKey) -> FileKey:
        """`key`, if the header was made by who knows it; raises DecryptionFailed."""
        mac = HMAC(_derive(key.secret, b"", b"header"), SHA256())
        mac.update(self.signed)
        try:
            mac.verify(self.mac)
        except InvalidSignature:
            raise DecryptionFailed("an age header was changed: its MAC does not verify") from None
        return key


def identity(text: str) -> Identity:
    """Read `AGE-SECRET-KEY-1…`; raises InvalidInput, which does not repeat it."""
    prefix, secret = bech32.decode(text, what="an age identity")
    if prefix != "age-secret-key-" or len(secret) != 32 or text != text.upper():
        raise InvalidInput("not an X25519 age identity", fix="it begins with AGE-SECRET-KEY-1")
    return Identity(secret)


@lru_cache(1024)
def recipient(text: str) -> bytes:
    """The 32 raw bytes of `age1…`; raises InvalidInput."""
    prefix, raw = bech32.decode(text, what=f"recipient {text[:80]!r}")
    if prefix != "age" or len(raw) != 32 or text != text.lower():
        raise InvalidInput(f"{text[:80]!r} is not an X25519 age recipient", fix="it begins age1")
    return raw


def wrap(key: FileKey, to: str, *, ephemeral: bytes) -> Stanza:
    """An X25519 stanza for the recipient `to`; `ephemeral` are 32 random bytes, used once."""
    theirs, once = recipient(to), X25519PrivateKey.from_private_bytes(ephemeral)
    ours, secret = once.public_key().public_bytes_raw(), _shared(once, theirs)
    if secret is None:
        raise InvalidInput(f"recipient {to[:80]!r} is a point of low order")
    body = ChaCha20Poly1305(_derive(secret, ours + theirs, _LABEL)).encrypt(
        bytes(12), key.secret, None
    )
    return Stanza(_X25519, (_base64(ours),), body)


def unwrap(header: Header, identities: Iterable[Identity]) -> FileKey:
    """The file key, by the first identity that opens a stanza; raises DecryptionFailed."""
    known = list(identities)
    for stanza in header.stanzas:
        found = unwrap_stanza(stanza, known)
        if found is not None:
            return header.verify(found)
    raise DecryptionFailed(
        "no key that is here opens this file: it was encrypted to other recipients",
        fix="put back the key that was there when it was encrypted",
    )


def unwrap_stanza(stanza: Stanza, identities: Iterable[Identity]) -> FileKey | None:
    """The file key, where one of these opens it. Under no MAC yet: see `Header.verify`."""
    for one in identities if stanza.kind == _X25519 else ():
        _require_form(stanza)
        found = _opened(stanza, one)
        if found is not None:
            return FileKey(found)
    return None


def encode(stanzas: Sequence[Stanza], key: FileKey) -> bytes:
    """A header with `stanzas`, under a MAC that only who knows `key` can make."""
    signed = _VERSION + b"".join(encode_stanza(one) for one in stanzas) + b"---"
    mac = HMAC(_derive(key.secret, b"", b"header"), SHA256())
    mac.update(signed)
    return signed + b" " + _base64(mac.finalize()).encode() + b"\n"


def encode_stanza(stanza: Stanza) -> bytes:
    """Its lines; the last one has fewer than 64 columns, and may be empty."""
    body = _base64(stanza.body)
    lines = [body[start : start + _COLUMNS] for start in range(0, len(body), _COLUMNS)]
    if len(body) % _COLUMNS == 0:
        lines.append("")
    first = " ".join(("->", stanza.kind, *stanza.arguments))
    return "".join(line + "\n" for line in (first, *lines)).encode()


def header_size(start: bytes) -> int | None:
    """How long the header is that `start` begins with; None where more of it must come."""
    if not _VERSION.startswith(start[: len(_VERSION)]):
        raise DecryptionFailed("not an age v1 file")
    found = _END.search(start, len(_VERSION) - 1, MAX_HEADER)
    if found is None and len(start) >= MAX_HEADER:
        raise DecryptionFailed(f"an age header is over {MAX_HEADER} bytes")
    return None if found is None else found.end()


def parse(start: bytes) -> Header:
    """Read the header that `start` begins with; raises DecryptionFailed."""
    size = header_size(start)
    if size is None:
        raise DecryptionFailed("an age header ends too early")
    signed, _, mac = start[: size - 1].rpartition(b" ")
    lines = signed[len(_VERSION) : -len(b"\n---")].split(b"\n")
    stanzas = tuple(_stanzas(lines))
    if len(stanzas) > 1 and any(one.kind == "scrypt" for one in stanzas):
        raise DecryptionFailed("an age header has a passphrase beside other recipients")
    for one in stanzas:
        _require_form(one)
    return Header(stanzas, signed, _unbase64(mac, size=32), size)


def _stanzas(lines: Sequence[bytes]) -> Iterable[Stanza]:
    """At least one, or the very first line is none."""
    place = 0
    while place < len(lines):
        kind, arguments = _first_line(lines[place])
        place += 1
        body = b""
        while True:
            if place == len(lines):
                raise DecryptionFailed("an age stanza ends too early")
            line = lines[place]
            body += line
            place += 1
            if len(line) != _COLUMNS:
                break
        if len(line) > _COLUMNS:
            raise DecryptionFailed("an age stanza has a line over 64 columns")
        yield Stanza(kind, arguments, _unbase64(body))


def _first_line(line: bytes) -> tuple[str, tuple[str, ...]]:
    words = line.decode("latin-1").split(" ")
    if len(words) < 2 or words[0] != "->" or not all(map(_ARGUMENT.fullmatch, words[1:])):
        raise DecryptionFailed("an age stanza does not begin with -> and its kind")
    return words[1], tuple(words[2:])


def _require_form(stanza: Stanza) -> None:
    """c2sp.org/age, "The X25519 recipient type": identities MUST reject any other form."""
    if stanza.kind != _X25519:
        return
    if len(stanza.arguments) != 1 or len(stanza.body) != KEY_SIZE + 16:
        raise DecryptionFailed("an X25519 stanza has another form than the specification's")
    _unbase64(stanza.arguments[0].encode(), size=32)


def _opened(stanza: Stanza, one: Identity) -> bytes | None:
    theirs = _unbase64(stanza.arguments[0].encode(), size=32)
    secret = _shared(one.key, theirs)
    if secret is None:
        raise DecryptionFailed("an X25519 stanza has a share of low order")
    try:
        aead = ChaCha20Poly1305(_derive(secret, theirs + one.public, _LABEL))
        return aead.decrypt(bytes(12), stanza.body, None)
    except InvalidTag:
        return None


def _shared(key: X25519PrivateKey, public: bytes) -> bytes | None:
    """None where it would be all zeros, which `public` alone has then decided."""
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return None


def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def _base64(content: bytes) -> str:
    return b64encode(content).decode().rstrip("=")


def _unbase64(text: bytes, *, size: int | None = None) -> bytes:
    """Without padding, and in the one spelling that an encoder gives."""
    try:
        found = b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if _base64(found).encode() != text or size not in (None, len(found)):
        raise DecryptionFailed("an age header has a field that is not canonical base64")
    return found
