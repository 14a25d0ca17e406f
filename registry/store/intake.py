"""The hot path of an upload: network to disk, hashing on the way.

The event loop joins network chunks into blocks; one thread hashes them and another writes
them, in order, both outside the interpreter's lock. At most `_WAITING` blocks are in memory,
so a slow disk slows the sender down instead of filling the server.
"""

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from registry import errors

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 2 * 1024 * 1024
_WAITING = 8
_WRITE_BACK = 32 * 1024 * 1024


async def append(
    chunks: AsyncIterator[bytes], descriptor: int, *, offset: int, limit: int, hasher: "_Hash"
) -> int:
    """Write `chunks` to `descriptor` from `offset` on and return the new offset.

    What was received stays in the file when the sender goes away, for it will resume. Raises
    TooLarge once more than `limit` bytes are there.
    """
    with ThreadPoolExecutor(1) as hashing, ThreadPoolExecutor(1) as writing:
        writer = _Writer(descriptor, offset)
        loop = asyncio.get_running_loop()
        pending: deque[asyncio.Future[None]] = deque()
        total = offset
        try:
            async for block in _joined(chunks):
                total += len(block)
                if total > limit:
                    raise errors.TooLarge(
                        f"the upload is over the limit of {limit} bytes",
                        fix="raise limits.max_file_bytes if the file is meant to be this large",
                    )
                pending.append(loop.run_in_executor(hashing, hasher.update, block))
                pending.append(loop.run_in_executor(writing, writer.write, block))
                while len(pending) > 2 * _WAITING:
                    await pending.popleft()
        finally:
            await _settle(pending)
    return writer.offset


class _Writer:
    """Writes in order, and starts the disk early so that the last fsync has little left."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self.descriptor = descriptor
        self.offset = offset
        self.pushed = offset

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            written = os.pwrite(self.descriptor, view, self.offset)
            self.offset += written
            view = view[written:]
        if self.offset - self.pushed >= _WRITE_BACK:
            os.posix_fadvise(
                self.descriptor, self.pushed, self.offset - self.pushed, os.POSIX_FADV_DONTNEED
            )
            self.pushed = self.offset


async def _joined(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size >= _BLOCK:
            yield b"".join(parts)
            parts, size = [], 0
    if size:
        yield b"".join(parts)


async def _settle(pending: "deque[asyncio.Future[None]]") -> None:
    results = await asyncio.gather(*pending, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


def new_hasher() -> "_Hash":
    """SHA-256, the digest of everything here."""
    return hashlib.sha256()
