"""Uploads on their way to being encrypted blobs: what waits on the disk is not clear either.

The spool below holds, under a key of each upload's own, first an age header of fixed room with
that key, then the bytes in AES-256-CTR: any place can be written and read, by any replica. That
they are right shows at the end, by their digest; only then are they sealed for good, as age
payload. What comes in one request with its digest is sealed at once.
"""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from registry import errors
from registry.core import age
from registry.store import arriving, uploads
from registry.store.blobs import Buffer, Stored
from registry.store.encrypted import EncryptedStore
from registry.store.uploads import Claim, Direct, Place, Uploads

HEAD = 2048
_BLOCK = 16


class Spool(Uploads, Protocol):
    """Uploads whose bytes can be read before they are finished."""

    def content(self, upload: str, start: int) -> Iterator[Buffer]:
        """What is there from byte `start` on; raises NotFound, Conflict."""


class EncryptedUploads:
    """`spool` may take `HEAD` bytes more than a blob may have.

    `clear` is the spool as it was before encryption: what is left in it only expires.
    """

    def __init__(
        self, blobs: EncryptedStore, spool: Spool, clear: Uploads, *, max_bytes: int
    ) -> None:
        self._blobs = blobs
        self._spool = spool
        self._clear = clear
        self._max_bytes = max_bytes
        # Of uploads that this process has begun or seen; any can be read again.
        self._keys: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def begin(self) -> str:
        key = self._blobs.keyring.new()
        upload = self._spool.begin()
        head = key.header.ljust(HEAD, b"\0")
        asyncio.run(self._spool.append(upload, _once(head), start=0, size=HEAD))
        self._remember(upload, key.key.secret)
        return upload

    def offset(self, upload: str) -> int:
        offset = self._spool.offset(upload) - HEAD
        if offset < 0:
            raise uploads.unknown(upload)
        return offset

    def abort(self, upload: str) -> None:
        self._keys.pop(upload, None)
        self._spool.abort(upload)

    async def append(
        self, upload: str, chunks: AsyncIterator[bytes], *, start: int | None, size: int | None
    ) -> int:
        offset = await asyncio.to_thread(self.offset, upload)
        Place(start, size).require(upload, offset, limit=self._max_bytes)
        cipher = _Keystream(await asyncio.to_thread(self._key, upload), offset)
        try:
            end = await self._spool.append(
                upload, self._passing(chunks, cipher, offset), start=offset + HEAD, size=size
            )
        except errors.OutOfOrder:
            raise errors.Conflict(
                f"upload {upload} is being written by another request",
                fix="wait for it to end, ask for the offset, then go on from there",
            ) from None
        return end - HEAD

    def finish(self, upload: str, digest: str | None, claim: Claim) -> Stored:
        size = self.offset(upload)
        uploads.require_room(size, self._max_bytes)
        try:
            wanted = self._hash(upload) if digest is None else digest
            stored = self._blobs.write(self._plain(upload), wanted, most=size, claim=claim)
        except errors.DigestMismatch:
            self.abort(upload)
            raise
        with suppress(errors.NotFound):
            self.abort(upload)
        return stored

    async def take(
        self, chunks: AsyncIterator[bytes], digest: str | None, *, size: int | None, claim: Claim
    ) -> Stored:
        Place(0, size).require("", 0, limit=self._max_bytes)
        if digest is None:
            return await self._take_unnamed(chunks, claim)
        most = self._max_bytes if size is None else size
        loop = asyncio.get_running_loop()
        pieces = _pulled(self._limited(arriving.blocks(chunks)), loop)
        return await loop.run_in_executor(
            None, lambda: self._blobs.write(pieces, digest, most=most, claim=claim)
        )

    def direct(self, _upload: str, _total: int, _life: timedelta) -> Direct | None:
        return None

    def expire(self, *, older_than: float) -> int:
        count = self._spool.expire(older_than=older_than)
        count += self._clear.expire(older_than=older_than)
        with self._lock:
            for upload in list(self._keys)[:-_REMEMBERED]:
                self._keys.pop(upload, None)
        return count

    def spooled(self) -> tuple[int, int]:
        count, size = self._spool.spooled()
        return count, max(size - count * HEAD, 0)

    async def _take_unnamed(self, chunks: AsyncIterator[bytes], claim: Claim) -> Stored:
        upload = await asyncio.to_thread(self.begin)
        try:
            await self.append(upload, chunks, start=0, size=None)
            return await asyncio.to_thread(self.finish, upload, None, claim)
        except BaseException:
            # Else it would be found by `expire`, but later.
            with suppress(errors.PlimsollError):
                await asyncio.to_thread(self.abort, upload)
            raise

    async def _passing(
        self, chunks: AsyncIterator[bytes], cipher: "_Keystream", offset: int
    ) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            offset += len(chunk)
            uploads.require_room(offset, self._max_bytes)
            yield cipher.passing(chunk)

    async def _limited(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        taken = 0
        async for chunk in chunks:
            taken += len(chunk)
            uploads.require_room(taken, self._max_bytes)
            yield chunk

    def _plain(self, upload: str) -> Iterator[bytes]:
        # The store's own threads will draw from this: they must not have to ask the store again.
        cipher, content = _Keystream(self._key(upload), 0), self._spool.content(upload, HEAD)

        def passing() -> Iterator[bytes]:
            try:
                for piece in content:
                    yield cipher.passing(piece)
            except errors.NotFound:
                raise uploads.unknown(upload) from None  # another request has just finished it

        return passing()

    def _hash(self, upload: str) -> str:
        hasher = hashlib.sha256()
        for piece in self._plain(upload):
            hasher.update(piece)
        return f"sha256:{hasher.hexdigest()}"

    def _key(self, upload: str) -> bytes:
        known = self._keys.get(upload)
        if known is None:
            head = bytearray()
            for piece in self._spool.content(upload, 0):
                head += piece
                if len(head) >= HEAD:
                    break
            header = bytes(head[: age.parse(bytes(head)).size])
            known = self._remember(upload, self._blobs.keyring.read(header).secret)
        return known

    def _remember(self, upload: str, secret: bytes) -> bytes:
        derived = HKDF(SHA256(), 32, upload.encode(), b"plimsoll upload").derive(secret)
        with self._lock:
            self._keys[upload] = derived
        return derived


_REMEMBERED = 1000


class _Keystream:
    """AES-256-CTR from any byte on; both ways are the same."""

    def __init__(self, key: bytes, offset: int) -> None:
        block, skip = divmod(offset, _BLOCK)
        mode = modes.CTR(block.to_bytes(_BLOCK, "big"))
        self._cipher = Cipher(algorithms.AES(key), mode).encryptor()
        self._cipher.update(bytes(skip))

    def passing(self, content: Buffer) -> bytes:
        return self._cipher.update(content)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _pulled(chunks: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """What the loop receives, for a thread: the next piece comes while one is worked on."""

    async def following() -> bytes | None:
        return await anext(chunks, None)

    def soon() -> "Future[bytes | None]":
        return asyncio.run_coroutine_threadsafe(following(), loop)

    ahead = soon()
    try:
        while (piece := ahead.result()) is not None:
            ahead = soon()
            yield piece
    finally:
        ahead.cancel()
