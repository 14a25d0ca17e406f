"""Many small blobs in one request: a model of a hundred files is not a hundred round trips.

Each blob is preceded by one line, its digest, a space, its size in bytes, a line feed. Each is
kept by itself, as soon as it is here; what goes wrong with one takes nothing back from those
before it, and sending all of them again is harmless.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator

from registry import errors
from registry.store.uploads import Stored
from registry.usecases import transfers
from registry.usecases.opening import Registry

MOST_BYTES = 8 * 1024 * 1024
MOST_BLOBS = 10_000

_AT_ONCE = 8
_HEADING = re.compile(rb"(sha256:[0-9a-f]{64}) ([0-9]{1,19})")
_LONGEST = 128


async def take(registry: Registry, stream: AsyncIterator[bytes]) -> list[Stored]:
    """Keep them all, durably; raises InvalidInput, TooLarge, DigestMismatch, StorageFull."""
    reader = _Reader(stream)
    busy: deque[asyncio.Task[Stored]] = deque()
    stored: list[Stored] = []
    try:
        while (heading := await reader.line()) is not None:
            digest, size = _parsed(heading)
            if len(stored) + len(busy) == MOST_BLOBS:
                raise errors.TooLarge(f"a request has at most {MOST_BLOBS} blobs", fix="send two")
            content = await reader.exactly(size)
            busy.append(asyncio.create_task(_put(registry, content, digest)))
            if len(busy) == _AT_ONCE:
                stored.append(await busy.popleft())
        while busy:
            stored.append(await busy.popleft())
    finally:
        await asyncio.gather(*busy, return_exceptions=True)
    return stored


async def _put(registry: Registry, content: bytes, digest: str) -> Stored:
    return await asyncio.to_thread(transfers.put, registry, content, digest)


def _parsed(heading: bytes) -> tuple[str, int]:
    form = _HEADING.fullmatch(heading)
    if form is None:
        raise errors.InvalidInput(
            f"{heading[:80]!r} is not what precedes a blob",
            fix="write its digest, a space, its size in bytes and a line feed",
        )
    size = int(form[2])
    if size > MOST_BYTES:
        raise errors.TooLarge(
            f"a blob of {size} bytes among small ones, which have at most {MOST_BYTES}",
            fix="upload it by itself: POST /v1/uploads",
        )
    return form[1].decode(), size


class _Reader:
    """Lines, and so many bytes, from a stream of chunks that are cut anywhere."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._held = b""

    async def line(self) -> bytes | None:
        """Without its line feed; None at the stream's end."""
        while b"\n" not in self._held[:_LONGEST] and len(self._held) < _LONGEST:
            chunk = await anext(self._stream, None)
            if chunk is None:
                break
            self._held += chunk
        if not self._held:
            return None
        line, _, self._held = self._held.partition(b"\n")
        return line

    async def exactly(self, count: int) -> bytes:
        """Raises InvalidInput where the stream ends before."""
        chunks, missing = [self._held], count - len(self._held)
        while missing > 0:
            chunk = await anext(self._stream, None)
            if chunk is None:
                raise errors.InvalidInput(f"the body ends {missing} bytes before its last blob")
            chunks.append(chunk)
            missing -= len(chunk)
        last = chunks.pop()
        kept = len(last) + min(missing, 0)
        self._held = last[kept:]
        return b"".join([*chunks, last[:kept]])
