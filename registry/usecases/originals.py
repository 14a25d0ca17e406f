"""The bytes of stored originals for who marks them: by range, in constant memory, from any store.

Marking goes from a file's first byte to its last, with some bytes of the piece before it: what is
no file here is read on where it was left, and anew only where somebody jumps.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from functools import partial

from registry import errors
from registry.formats.marking import Read
from registry.store.blobs import BlobStore

# So much is marked at a time, and so many pieces at once.
_PIECE = 2 * 1024 * 1024
_AHEAD = 2
# An element that a piece cuts in two is no longer than that.
_MARGIN = 16


@contextmanager
def opened(blobs: BlobStore, digests: Mapping[str, str]) -> Iterator[Read]:
    """Reads these blobs by the paths they have in a version, for one thread."""
    readers: dict[str, _File | _Stream] = {}
    with ExitStack() as stack:

        def read(path: str, start: int, stop: int) -> bytes:
            reader = readers.get(path)
            if reader is None:
                reader = readers[path] = stack.enter_context(_reader(blobs, digests[path]))
            return reader.read(start, stop)

        yield read


@contextmanager
def _reader(blobs: BlobStore, digest: str) -> "Iterator[_File | _Stream]":
    file = blobs.open(digest)
    if file is not None:
        try:
            yield _File(file)
        finally:
            os.close(file)
        return
    with asyncio.Runner() as runner:
        stream = _Stream(blobs, digest, runner)
        try:
            yield stream
        finally:
            stream.close()


class _File:
    """A blob that lies in a file of its own, as it is."""

    def __init__(self, file: int) -> None:
        self._file = file

    def read(self, start: int, stop: int) -> bytes:
        found = os.pread(self._file, stop - start, start)
        while len(found) < stop - start:  # a call gives two GiB at most
            more = os.pread(self._file, stop - start - len(found), start + len(found))
            if not more:
                break
            found += more
        return found


class _Stream:
    """A blob that comes in blocks; the last few bytes that were read are still there."""

    def __init__(self, blobs: BlobStore, digest: str, runner: asyncio.Runner) -> None:
        self._blobs = blobs
        self._digest = digest
        self._runner = runner
        self._size = blobs.size(digest)
        self._blocks: AsyncIterator[bytes] | None = None
        self._held, self._first = bytearray(), 0

    def read(self, start: int, stop: int) -> bytes:
        if self._blocks is None or not 0 <= start - self._first <= len(self._held):
            self._begin(start)
        self._runner.run(self._fill(stop))
        found = bytes(self._held[start - self._first : stop - self._first])
        kept = max(stop - _MARGIN - self._first, 0)
        del self._held[:kept]
        self._first += kept
        return found

    def close(self) -> None:
        if self._blocks is not None:
            self._runner.run(_closed(self._blocks))

    def _begin(self, start: int) -> None:
        self.close()
        self._blocks = self._blobs.read(self._digest, start, self._size or 0)
        self._held, self._first = bytearray(), start

    async def _fill(self, stop: int) -> None:
        while self._first + len(self._held) < stop and self._blocks is not None:
            block = await anext(self._blocks, b"")
            if not block:
                break
            self._held += block


async def _closed(blocks: AsyncIterator[bytes]) -> None:
    closing = getattr(blocks, "aclose", None)
    if closing is not None:
        await closing()


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes from `start` up to `stop` of a file; `read` gives them, and a few around them."""

    start: int
    stop: int
    read: Callable[[int, int], bytes]


async def worked(
    blobs: BlobStore, digest: str, span: tuple[int, int], work: Callable[[Piece], memoryview]
) -> AsyncIterator[memoryview]:
    """What `work`, in threads of its own, makes of one piece of the span after the other.

    The next pieces are worked on while one is used.
    """
    file = await asyncio.to_thread(blobs.open, digest)
    try:
        pieces = _come(blobs, digest, span) if file is None else _here(_File(file), span)
        async with aclosing(_ahead(pieces, work)) as made:
            async for one in made:
                yield one
    finally:
        if file is not None:
            os.close(file)


async def _ahead(
    pieces: AsyncIterator[Piece], work: Callable[[Piece], memoryview]
) -> AsyncGenerator[memoryview, None]:
    loop = asyncio.get_running_loop()
    waiting: deque[asyncio.Future[memoryview]] = deque()
    try:
        async for piece in pieces:
            waiting.append(loop.run_in_executor(None, work, piece))
            if len(waiting) > _AHEAD:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        # They read from a file that is about to be closed.
        await asyncio.gather(*waiting, return_exceptions=True)


async def _here(file: _File, span: tuple[int, int]) -> AsyncIterator[Piece]:
    for start in range(*span, _PIECE):
        yield Piece(start, min(start + _PIECE, span[1]), file.read)


async def _come(blobs: BlobStore, digest: str, span: tuple[int, int]) -> AsyncIterator[Piece]:
    """Of what is no plain file, the pieces as they were read from end to end."""
    size = await asyncio.to_thread(blobs.size, digest) or 0
    first, held = max(span[0] - _MARGIN, 0), bytearray()
    blocks = blobs.read(digest, first, min(span[1] + _MARGIN, size))
    for start in range(*span, _PIECE):
        stop = min(start + _PIECE, span[1])
        while first + len(held) < min(stop + _MARGIN, size):
            block = await anext(blocks, b"")
            if not block:
                raise errors.IntegrityError(f"the stored {digest} ends before byte {stop}")
            held += block
        kept = bytes(held[: stop + _MARGIN - first])
        yield Piece(start, stop, partial(_cut, kept, first))
        done = max(stop - _MARGIN - first, 0)
        del held[:done]
        first += done


def _cut(kept: bytes, first: int, start: int, stop: int) -> bytes:
    return kept[start - first : stop - first]
