"""Many small blobs in one request: a model of a hundred files is not a hundred round trips.

Each blob is preceded by one line, its digest, a space, its size in bytes, a line feed. They are
kept in groups, one written while the next comes in: a group is claimed in one transaction and
synced together. What goes wrong with a blob takes nothing back from those before it, and sending
all of them again is harmless.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from registry import errors
from registry.store.uploads import Stored
from registry.usecases import transfers
from registry.usecases.opening import Registry

MOST_BYTES = 8 * 1024 * 1024
MOST_BLOBS = 10_000

_GROUP_BYTES = 8 * 1024 * 1024
_GROUP_BLOBS = 256
_AT_ONCE = 2
_HEADING = re.compile(rb"(sha256:[0-9a-f]{64}) ([0-9]{1,19})")
_LONGEST = 128


@dataclass(slots=True)
class _Group:
    """Blobs as they were announced, until there are enough of them."""

    announced: list[tuple[str, bytes]] = field(default_factory=list)
    size: int = 0

    @property
    def is_full(self) -> bool:
        return self.size >= _GROUP_BYTES or len(self.announced) >= _GROUP_BLOBS

    def add(self, digest: str, content: bytes) -> None:
        self.announced.append((digest, content))
        self.size += len(content)


async def take(registry: Registry, stream: AsyncIterator[bytes]) -> list[Stored]:
    """Keep them all, durably; raises InvalidInput, TooLarge, DigestMismatch, StorageFull."""
    reader, group, count = _Reader(stream), _Group(), 0
    busy: deque[asyncio.Task[list[Stored]]] = deque()
    stored: list[Stored] = []
    try:
        while (heading := await reader.line()) is not None:
            digest, size = _parsed(heading)
            count += 1
            if count > MOST_BLOBS:
                raise errors.TooLarge(f"a request has at most {MOST_BLOBS} blobs", fix="send two")
            group.add(digest, await reader.exactly(size))
            if group.is_full:
                busy.append(_keeping(registry, group))
                group = _Group()
                if len(busy) == _AT_ONCE:
                    stored += await busy.popleft()
    finally:
        busy.append(_keeping(registry, group))
        # Also where the request broke off: what came whole is kept before anybody is told.
        kept = await asyncio.gather(*busy, return_exceptions=True)
    for one in kept:
        if isinstance(one, BaseException):
            raise one
        stored += one
    return stored


def _keeping(registry: Registry, group: _Group) -> asyncio.Task[list[Stored]]:
    return asyncio.create_task(asyncio.to_thread(transfers.put_all, registry, group.announced))


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
