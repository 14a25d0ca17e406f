"""The payload of age v1 files: 16 bytes of nonce, then chunks of 64 KiB by STREAM.

Every chunk is authentic in its place, and the last one says that it is the last: a byte that was
changed, chunks in another order, an end that is missing or too much are each DecryptionFailed.
Memory holds one chunk; reading may begin at any.
"""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from registry.core.age import FileKey
from registry.errors import DecryptionFailed

NONCE = 16
CHUNK = 64 * 1024
TAG = 16
SEALED = CHUNK + TAG


@dataclass(slots=True, repr=False)
class Sealer:
    """Takes plaintext as it comes, from chunk `place` on.

    `nonce` are 16 random bytes, which go before the first chunk. The same key and nonce are only
    ever for the same plaintext.
    """

    key: FileKey
    nonce: bytes
    place: int = 0
    _aead: ChaCha20Poly1305 = field(init=False)
    _waiting: bytearray = field(init=False, default_factory=bytearray)

    def __post_init__(self) -> None:
        self._aead = _aead(self.key, self.nonce)

    def update(self, content: bytes | bytearray | memoryview) -> bytes:
        """What can be sealed by now: nothing that might be the last chunk."""
        with memoryview(content) as come:
            lacking = min(CHUNK - len(self._waiting), len(come)) if self._waiting else 0
            self._waiting += come[:lacking]
            left = come[lacking:]
            if not left:
                return b""
            first = [self._seal(self._waiting, is_last=False)] if self._waiting else []
            whole = (len(left) - 1) // CHUNK * CHUNK
            sealed = [
                self._seal(left[start : start + CHUNK], is_last=False)
                for start in range(0, whole, CHUNK)
            ]
            self._waiting = bytearray(left[whole:])
        return b"".join(first + sealed)

    def finish(self) -> bytes:
        """The last chunk; it is empty only where all of the plaintext is."""
        return self._seal(bytes(self._waiting), is_last=True)

    def _seal(self, content: bytes | bytearray | memoryview, *, is_last: bool) -> bytes:
        nonce = _nonce(self.place, is_last=is_last)
        self.place += 1
        return self._aead.encrypt(nonce, content, None)


@dataclass(slots=True, repr=False)
class Opener:
    """Takes sealed chunks as they come, from chunk `place` on; gives what is authentic."""

    key: FileKey
    nonce: bytes
    place: int = 0
    _aead: ChaCha20Poly1305 = field(init=False)
    _waiting: bytearray = field(init=False, default_factory=bytearray)

    def __post_init__(self) -> None:
        self._aead = _aead(self.key, self.nonce)

    def update(self, content: bytes | bytearray | memoryview) -> bytes:
        """Plaintext of the chunks that others follow; raises DecryptionFailed."""
        self._waiting += content
        whole = (len(self._waiting) - 1) // SEALED if self._waiting else 0
        if not whole:
            return b""
        with memoryview(self._waiting) as waiting:
            opened = [
                self._open(waiting[start : start + SEALED], is_last=False)
                for start in range(0, whole * SEALED, SEALED)
            ]
        del self._waiting[: whole * SEALED]
        return b"".join(opened)

    def finish(self) -> bytes:
        """The last chunk, where the file really ends; raises DecryptionFailed."""
        content = self._open(bytes(self._waiting), is_last=True)
        if not content and self.place > 1:
            raise DecryptionFailed("an encrypted file has an empty chunk at its end")
        return content

    def rest(self) -> bytes:
        """The last of the chunks that were asked for, where others follow it in the file."""
        return self._open(bytes(self._waiting), is_last=False) if self._waiting else b""

    def _open(self, sealed: bytes | bytearray | memoryview, *, is_last: bool) -> bytes:
        try:
            content = self._aead.decrypt(_nonce(self.place, is_last=is_last), sealed, None)
        except InvalidTag:
            raise DecryptionFailed(
                f"chunk {self.place} of an encrypted file was changed, or is not in its place"
            ) from None
        self.place += 1
        return content


def sealed_size(size: int) -> int:
    """How long the payload of `size` bytes is, its nonce included."""
    return NONCE + size + TAG * max(1, -(-size // CHUNK))


def opened_size(sealed: int) -> int:
    """The other way round; raises DecryptionFailed where no payload has this size."""
    chunks = -(-(sealed - NONCE) // SEALED)
    size = sealed - NONCE - TAG * chunks
    if sealed < NONCE + TAG or size < 0 or sealed_size(size) != sealed:
        raise DecryptionFailed(f"an encrypted file cannot have {sealed} bytes: it was cut off")
    return size


def chunks_of(start: int, stop: int) -> tuple[int, int]:
    """The chunks that hold the plaintext from `start` up to `stop`: the first, and one after."""
    return start // CHUNK, max(-(-stop // CHUNK), 1)


def offset_of(chunk: int) -> int:
    """Where in the payload a chunk begins."""
    return NONCE + chunk * SEALED


def _aead(key: FileKey, nonce: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, nonce, b"payload").derive(key.secret))


def _nonce(place: int, *, is_last: bool) -> bytes:
    return place.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")
