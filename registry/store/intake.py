"""The hot path of an upload: network to disk, hashing on the way.

The event loop fills page-aligned buffers; one thread hashes them and another writes them, in
order, both outside the interpreter's lock. There are `_BUFFERS` of them, so a slow disk slows
the sender down instead of filling the server.
"""

import asyncio
import mmap
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from registry.store import uploads
from registry.store.direct import PAGE, Writer

if TYPE_CHECKING:
    from hashlib import _Hash

_BUFFER = 2 * 1024 * 1024
_BUFFERS = 6


async def append(
    chunks: AsyncIterator[bytes], descriptor: int, *, offset: int, limit: int, hasher: "_Hash"
) -> int:
    """Write `chunks` to `descriptor` from `offset` on and return the new offset.

    What was received stays in the file when the sender goes away, for it will resume. Raises
    TooLarge where more than `limit` bytes would be there.
    """
    with ExitStack() as stack:
        pipeline = _Pipeline(Writer(descriptor, offset), hasher, stack)
        try:
            async for chunk in chunks:
                uploads.require_room(pipeline.taken + len(chunk), limit)
                await pipeline.take(chunk)
        finally:
            await pipeline.drain()
        return pipeline.taken


class _Pipeline:
    """Buffers on their way from the network to both threads, and back."""

    def __init__(self, writer: Writer, hasher: "_Hash", stack: ExitStack) -> None:
        self.taken = writer.offset
        self._writer = writer
        self._hasher = hasher
        self._hashing = stack.enter_context(ThreadPoolExecutor(1))
        self._writing = stack.enter_context(ThreadPoolExecutor(1))
        self._loop = asyncio.get_running_loop()
        self._busy: deque[tuple[mmap.mmap, asyncio.Future[None], asyncio.Future[None]]] = deque()
        self._buffer = mmap.mmap(-1, _BUFFER)
        self._used = 0
        # A resumed upload may start in the middle of a page: then the first buffer is shorter,
        # so that all others are written from the start of a page.
        self._room = _BUFFER - writer.offset % PAGE

    async def take(self, chunk: bytes) -> None:
        """Copy `chunk` in; waits while all buffers are busy."""
        rest = memoryview(chunk)
        while rest:
            count = min(len(rest), self._room - self._used)
            self._buffer[self._used : self._used + count] = rest[:count]
            self._used += count
            self.taken += count
            rest = rest[count:]
            if self._used == self._room:
                self._send()
                self._buffer = await self._free_buffer()
                self._room = _BUFFER

    async def drain(self) -> None:
        """Send what is left, and wait until all is written and hashed."""
        if self._used:
            self._send()
        futures = [future for _, *both in self._busy for future in both]
        self._busy.clear()
        for outcome in await asyncio.gather(*futures, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def _send(self) -> None:
        content = memoryview(self._buffer)[: self._used]
        hashed = self._loop.run_in_executor(self._hashing, self._hasher.update, content)
        written = self._loop.run_in_executor(self._writing, self._writer.write, content)
        self._busy.append((self._buffer, hashed, written))
        self._used = 0

    async def _free_buffer(self) -> mmap.mmap:
        if len(self._busy) < _BUFFERS:
            return mmap.mmap(-1, _BUFFER)
        buffer, hashed, written = self._busy.popleft()
        await hashed
        await written
        return buffer
