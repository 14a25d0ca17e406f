"""A blob as it comes from the registry: an age file for this host, or clear, as the registry says.

An age file is decrypted while it comes, chunk by chunk, each authentic before it is written. For
one blob and one host it is the same file each time, so what is cut off goes on at the chunk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from registry.core import age, age_payload
from registry.core.age import FileKey, Identity
from registry.core.age_payload import CHUNK, NONCE, Opener
from registry.errors import DecryptionFailed

ACCEPT = f"{age.MEDIA_TYPE}, application/octet-stream;q=0.5"
# Of a file that was begun before this process: so much has the header in it.
LOOK = "bytes=0-4095"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a header said; good for as long as the registry sends the file under `tag`."""

    header_size: int
    key: FileKey
    nonce: bytes
    tag: str

    def asking_from(self, start: int) -> dict[str, str]:
        """The header lines that ask for the chunk with byte `start` of the plaintext, and on."""
        offset = self.header_size + age_payload.offset_of(start // CHUNK)
        return {"range": f"bytes={offset}-", "if-range": self.tag}

    def span(self, start: int, stop: int, size: int) -> tuple[int, int, int]:
        """Where the chunks with the plaintext from `start` up to `stop` lie in the file, and how
        long the file of `size` bytes of plaintext is."""
        first, after = age_payload.chunks_of(start, stop)
        whole = self.header_size + age_payload.sealed_size(size)
        end = self.header_size + age_payload.offset_of(after)
        return self.header_size + age_payload.offset_of(first), min(end, whole), whole

    def part(self, response: httpx2.Response, start: int, *, is_last: bool) -> Iterator[bytes]:
        """The plaintext of a `span` from byte `start` on; raises DecryptionFailed.

        Chunk for chunk it is authentic, and where it is the last of the file that is, too.
        """
        opener = Opener(self.key, self.nonce, start // CHUNK)
        skip = start % CHUNK
        for piece in response.iter_raw():
            plain = opener.update(piece)
            yield plain[skip:]
            skip = max(skip - len(plain), 0)
        yield (opener.finish() if is_last else opener.rest())[skip:]


class Incoming:
    """One blob, over as many answers as it takes."""

    def __init__(self, identity: Identity | None) -> None:
        self._identity = identity
        self.sealed: Sealed | None = None

    def is_sealed(self, response: httpx2.Response) -> bool:
        """Whether it is an age file that comes."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        return self._identity is not None and kind == age.MEDIA_TYPE

    def look(self, response: httpx2.Response) -> None:
        """Read the header alone, though more may come: not everybody knows ranges."""
        pieces, waiting = response.iter_raw(), bytearray()
        while not self._has_header(waiting):
            waiting += _next(pieces)
        self._read_header(response, waiting)

    def opened(self, response: httpx2.Response, start: int) -> Iterator[bytes]:
        """The plaintext from byte `start` on; raises DecryptionFailed."""
        pieces, waiting = response.iter_raw(), bytearray()
        first = start // CHUNK
        if response.status_code != httpx2.codes.PARTIAL_CONTENT or self.sealed is None:
            first = 0
            while not self._has_header(waiting):
                waiting += _next(pieces)
            self._read_header(response, waiting)
        sealed = self.sealed
        assert sealed is not None  # noqa: S101  read just now, or before
        opener, skip = Opener(sealed.key, sealed.nonce, first), start - first * CHUNK
        if waiting:
            del waiting[: sealed.header_size + NONCE]
            plain = opener.update(waiting)
            yield plain[skip:]
            skip = max(skip - len(plain), 0)
        for piece in pieces:
            plain = opener.update(piece)
            yield plain[skip:]
            skip = max(skip - len(plain), 0)
        yield opener.finish()[skip:]

    def _has_header(self, waiting: bytearray) -> bool:
        size = age.header_size(bytes(waiting[: age.MAX_HEADER + 1])) if waiting else None
        return size is not None and len(waiting) >= size + NONCE

    def _read_header(self, response: httpx2.Response, start: bytearray) -> None:
        header = age.parse(bytes(start))
        nonce = bytes(start[header.size : header.size + NONCE])
        if len(nonce) < NONCE or self._identity is None:
            raise DecryptionFailed("an encrypted file ends in its header")
        try:
            key = age.unwrap(header, [self._identity])
        except DecryptionFailed as error:
            raise DecryptionFailed(
                f"the registry's file is not encrypted to this host: {error.detail}",
                fix=f"enrol this host again, with the recipient {self._identity.recipient}",
            ) from None
        self.sealed = Sealed(header.size, key, nonce, response.headers.get("etag", ""))


def _next(pieces: Iterator[bytes]) -> bytes:
    piece = next(pieces, None)
    if piece is None:
        raise DecryptionFailed("an encrypted file ends in its header")
    return piece
