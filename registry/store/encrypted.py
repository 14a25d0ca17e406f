"""Blobs at rest as age files, each under a file key of its own, over any store of bytes.

A blob's name stays the digest of its plaintext. What is stored is the age payload; the header,
which wraps its key, is the keyring's, under the payload's first 16 bytes. Header and payload one
after the other are a whole age file. Blobs from before encryption are read as they are, until
they are migrated. What is read is authentic, or it raises DecryptionFailed.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from registry import errors
from registry.core import age_payload
from registry.core.age import FileKey
from registry.core.age_payload import NONCE, Opener, Sealer
from registry.store import durable
from registry.store.blobs import BlobStore, Buffer, Stored
from registry.store.uploads import Claim


@dataclass(frozen=True, slots=True)
class BlobKey:
    """A file key: the `id` of all that it seals, its age `header`, and which key wraps it there."""

    id: bytes
    key: FileKey
    header: bytes
    wrapped_by: str
    # Monotonic seconds.
    made_at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def name(self) -> str:
        """How tables, the log and the list of destroyed keys call it."""
        return self.id.hex()


class Keyring(Protocol):
    """Where the wrapped keys are. It may wait for a database and for the keys' provider."""

    def new(self) -> BlobKey:
        """A key that nobody has used; it is not kept yet."""

    def keep(self, key: BlobKey, digest: str) -> None:
        """From now on `open` finds it. Raises Conflict where the blob is not claimed (any more)."""

    def open(self, key_id: bytes) -> FileKey:
        """Raises KeyDestroyed, DecryptionFailed, Unavailable."""

    def read(self, header: bytes) -> FileKey:
        """The key in an age header that `new` has made."""


class Payloads(BlobStore, Protocol):
    """A store that keeps any bytes under a digest.

    `reads_whole`: who is reading a blob while it is stored anew reads the old one to its end.
    """

    reads_whole: bool

    def keep(self, digest: str, pieces: Iterable[Buffer], *, most: int) -> None:
        """Store what comes under this name, whatever it is; nothing where `pieces` raises."""

    def beginning(self, digest: str, count: int) -> bytes:
        """The first bytes; raises NotFound, IntegrityError where there are fewer."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A stored blob's size in plaintext, and the key to it."""

    size: int
    key_id: bytes
    key: FileKey


class _Proving:
    """Lets plaintext pass; at its end it is what it was said to be, and claimed."""

    def __init__(self, pieces: Iterable[Buffer], digest: str, claim: Claim) -> None:
        self._pieces = pieces
        self._digest = digest
        self._claim = claim
        self._hasher = hashlib.sha256()
        self._size = 0

    def passing(self) -> Iterator[Buffer]:
        """Raises DigestMismatch."""
        for piece in self._pieces:
            self._hasher.update(piece)
            self._size += len(piece)
            yield piece
        self.stored().require(self._digest)
        self._claim(self.stored())

    def stored(self) -> Stored:
        """What has passed."""
        return Stored(f"sha256:{self._hasher.hexdigest()}", self._size)


class EncryptedStore:
    """`clear` is the store as it was before encryption was switched on."""

    def __init__(self, payloads: Payloads, clear: BlobStore, keyring: Keyring) -> None:
        self.payloads = payloads
        self.clear = clear
        self.keyring = keyring

    def check(self) -> None:
        self.payloads.check()

    def size(self, digest: str) -> int | None:
        sealed = self.payloads.size(digest)
        return self.clear.size(digest) if sealed is None else age_payload.opened_size(sealed)

    def put(self, content: bytes, digest: str) -> None:
        self.write([content], digest, most=len(content), claim=lambda _: None)

    def put_all(self, contents: Mapping[str, bytes]) -> None:
        for digest, content in contents.items():
            self.put(content, digest)

    def write(self, pieces: Iterable[Buffer], digest: str, *, most: int, claim: Claim) -> Stored:
        """Encrypt what comes; raises DigestMismatch. Claim and key are there before the bytes."""
        proving = _Proving(pieces, digest, claim)
        if not self.payloads.reads_whole and self._is_readable(digest):
            for _ in proving.passing():
                pass
            # A sweep may have been removing it until the claim was there.
            if self.payloads.size(digest) is not None:
                return proving.stored()
            raise errors.Unavailable(f"{digest} was removed just now", fix="upload it again")
        key = self.keyring.new()

        def sealed() -> Iterator[bytes]:
            sealer = Sealer(key.key, key.id)
            yield key.id
            for piece in proving.passing():
                yield sealer.update(piece)
            self.keyring.keep(key, digest)
            yield sealer.finish()

        self.payloads.keep(digest, sealed(), most=age_payload.sealed_size(most))
        return proving.stored()

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        found = await asyncio.to_thread(self.opening, digest)
        blocks = self._blocks(digest, start, stop, found)
        try:
            first = await anext(blocks, b"")
        except (errors.DecryptionFailed, errors.NotFound):
            # It may have been stored anew just now under another key, or encrypted just now.
            again = await asyncio.to_thread(self.opening, digest)
            if again is None or again == found:
                raise
            blocks = self._blocks(digest, start, stop, again)
            first = await anext(blocks, b"")
        if first:
            yield first
        async for block in blocks:
            yield block

    async def _blocks(
        self, digest: str, start: int, stop: int, found: "Opening | None"
    ) -> AsyncIterator[bytes]:
        if found is None:
            async for block in self.clear.read(digest, start, stop):
                yield block
            return
        if start == stop:
            return
        first, after = age_payload.chunks_of(start, stop)
        opener = Opener(found.key, found.key_id, first)
        end = min(age_payload.offset_of(after), age_payload.sealed_size(found.size))
        skip, left = start - first * age_payload.CHUNK, stop - start
        sealed = self.payloads.read(digest, age_payload.offset_of(first), end)
        async for plain in _opened(opener, sealed):
            if shown := plain[skip : skip + left]:
                yield shown
            skip, left = max(skip - len(plain), 0), left - len(shown)
        plain = opener.finish() if after * age_payload.CHUNK >= found.size else opener.rest()
        if left:
            yield plain[skip : skip + left]

    def opening(self, digest: str) -> "Opening | None":
        """What it takes to read a blob; None where it is not encrypted, or not here."""
        sealed = self.payloads.size(digest)
        if sealed is None:
            return None
        key_id = self.payloads.beginning(digest, NONCE)
        return Opening(age_payload.opened_size(sealed), key_id, self.keyring.open(key_id))

    def open(self, digest: str) -> int | None:
        if self.payloads.size(digest) is not None:
            return None
        try:
            return self.clear.open(digest)
        except errors.NotFound:
            if self.payloads.size(digest) is None:
                raise
            return None  # it was encrypted just now

    def local(self, digest: str, folder: Path) -> Path:
        size = self.size(digest)
        if self.payloads.size(digest) is None or size is None:
            return self.clear.local(digest, folder)
        target = folder / digest.removeprefix("sha256:")
        if not target.exists():
            growing = target.with_suffix(".part")
            asyncio.run(self._copy(digest, size, growing))
            growing.rename(target)
        return target

    def link(self, _digest: str, _life: timedelta) -> str | None:
        return None

    def delete(self, digest: str) -> None:
        self.payloads.delete(digest)
        self.clear.delete(digest)

    def digests(self, shelf: str = "") -> Iterator[str]:
        yield from self.payloads.digests(shelf)
        for digest in self.clear.digests(shelf):
            if self.payloads.size(digest) is None:
                yield digest

    def _is_readable(self, digest: str) -> bool:
        try:
            return self.opening(digest) is not None
        except (errors.IntegrityError, errors.Gone):
            return False

    async def _copy(self, digest: str, size: int, target: Path) -> None:
        with durable.full_disk_named(digest), target.open("wb") as file:
            async for block in self.read(digest, 0, size):
                file.write(block)


async def _opened(opener: Opener, sealed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The next block is decrypted while one is sent."""
    ahead: asyncio.Future[bytes] | None = None
    loop = asyncio.get_running_loop()
    async for block in sealed:
        plain = b"" if ahead is None else await ahead
        ahead = loop.run_in_executor(None, opener.update, block)
        if plain:
            yield plain
    if ahead is not None:
        yield await ahead


def unknown_key(key_id: bytes) -> errors.DecryptionFailed:
    """For payloads whose key is nowhere."""
    return errors.DecryptionFailed(
        f"the key {key_id.hex()} of an encrypted blob is not in the database",
        fix="restore database and blobs from one backup",
    )
