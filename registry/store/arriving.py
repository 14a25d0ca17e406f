"""The hot path of an upload into an object store: network in, hashing on the way, network out."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from registry import errors
from registry.store import uploads
from registry.store.blobs import BLOCK, Stored
from registry.store.objects import PIECE, Objects
from registry.store.uploads import Claim

if TYPE_CHECKING:
    from hashlib import _Hash

_IN_FLIGHT = 2


class Arriving:
    """Cuts what comes into parts and stores them, in order, some at once.

    After a failure no further part is begun. One that was already under way may end behind a
    gap; whoever resumes meets it there, and takes it for what it is by its bytes.
    """

    def __init__(self, objects: Objects, folder: str, offset: int, hasher: "_Hash | None") -> None:
        self.taken = offset
        self._objects = objects
        self._folder = folder
        self._hasher = hasher
        self._hashing = ThreadPoolExecutor(1)
        self._busy: deque[asyncio.Future[tuple[None, None]]] = deque()
        self._buffer = bytearray()
        self._has_failed = False

    async def take(self, chunk: bytes) -> None:
        """Keep a copy of `chunk`; waits while too many parts are under way."""
        rest = memoryview(chunk)
        while rest:
            count = min(len(rest), PIECE - len(self._buffer))
            self._buffer += rest[:count]
            self.taken += count
            rest = rest[count:]
            if len(self._buffer) == PIECE:
                self._send()
                await self._wait(_IN_FLIGHT)

    async def drain(self) -> None:
        """Store what is left, and wait for all of it; raises what went wrong first."""
        try:
            if self._buffer and not self._has_failed:
                self._send()
            await self._wait(0)
        finally:
            await asyncio.gather(*self._busy, return_exceptions=True)
            self._hashing.shutdown()

    def _send(self) -> None:
        start = self.taken - len(self._buffer)
        content, self._buffer = self._buffer, bytearray()
        self._busy.append(asyncio.gather(self._store(start, content), self._hash(content)))

    async def _wait(self, most: int) -> None:
        while len(self._busy) > most:
            try:
                await self._busy.popleft()
            except BaseException:
                self._has_failed = True
                raise

    async def _hash(self, content: bytearray) -> None:
        if self._hasher is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._hashing, self._hasher.update, content)

    async def _store(self, start: int, content: bytearray) -> None:
        key = f"{self._folder}{start:020d}"
        if not await self._objects.create_soon(key, content):
            await self._require_same(key, content)

    async def _require_same(self, key: str, content: bytearray) -> None:
        """Ours it is, too, if only the answer to an earlier attempt was lost."""
        size = await asyncio.to_thread(self._objects.size, key)
        if size == len(content) and await self._objects.get_soon(key, 0, size) == content:
            return
        raise errors.Conflict(
            "another request is writing the same upload",
            fix="wait for it to end, ask for the offset, then go on from there",
        )


class Proving:
    """Lets bytes pass, and ends only if they have the digest they should have."""

    def __init__(self, digest: str, claim: Claim) -> None:
        self.taken = 0
        self._digest = digest
        self._claim = claim
        self._hasher = hashlib.sha256()

    async def passing(self, chunks: AsyncIterator[bytes], *, limit: int) -> AsyncIterator[bytes]:
        """Raises TooLarge and DigestMismatch; claims them before the end."""
        loop = asyncio.get_running_loop()
        hashed = loop.run_in_executor(None, self._hasher.update, b"")
        async for block in blocks(chunks):
            self.taken += len(block)
            uploads.require_room(self.taken, limit)
            await hashed
            hashed = loop.run_in_executor(None, self._hasher.update, block)
            yield block
        await hashed
        self.stored().require(self._digest)
        await asyncio.to_thread(self._claim, self.stored())

    def stored(self) -> Stored:
        """What has passed."""
        return Stored(f"sha256:{self._hasher.hexdigest()}", self.taken)


async def blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, in pieces of a MiB or a little more."""
    waiting, size = [], 0
    async for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
