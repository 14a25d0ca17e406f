"""Blobs in an object store: one object per blob, written whole or not at all.

Two writers of one digest write the same bytes. Reading is in ranges of 8 MiB, the next ones
fetched while one is sent: a slow client holds no connection to the store, and a range that
stalls is tried again.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from registry import errors
from registry.store import durable
from registry.store.blobs import BLOCK, Buffer
from registry.store.objects import PIECE, Objects

_AHEAD = 2
_AT_ONCE = 8


class BucketStore:
    """`objects` holds blobs under `sha256/ab/abcd…`."""

    reads_whole = False

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def check(self) -> None:
        next(self.objects.list("uploads"), None)

    def size(self, digest: str) -> int | None:
        return self.objects.size(key(digest))

    def put(self, content: bytes, digest: str) -> None:
        if self.size(digest) != len(content):
            self.objects.put(key(digest), content)

    def put_all(self, contents: Mapping[str, bytes]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            putting = [pool.submit(self.put, contents[digest], digest) for digest in contents]
            for one in putting:
                one.result()

    def keep(self, digest: str, pieces: Iterable[Buffer], *, most: int) -> None:
        """Store what comes under this name, whatever it is; nothing where `pieces` raises."""
        if most <= PIECE:
            self.objects.put(key(digest), b"".join(pieces))
        else:
            self.objects.put_stream(key(digest), iter(pieces), most=most)

    def beginning(self, digest: str, count: int) -> bytes:
        """The first bytes; raises NotFound, IntegrityError where there are fewer."""
        try:
            return bytes(self.objects.get(key(digest), 0, count))
        except errors.NotFound:
            raise _missing(digest) from None

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        ahead: deque[asyncio.Task[memoryview]] = deque()
        try:
            for first, last in ranges(start, stop):
                soon = self.objects.get_soon(key(digest), first, last)
                ahead.append(asyncio.create_task(soon))
                if len(ahead) > _AHEAD:
                    for block in _blocks(await ahead.popleft()):
                        yield block
            while ahead:
                for block in _blocks(await ahead.popleft()):
                    yield block
        except errors.NotFound:
            raise _missing(digest) from None
        finally:
            for task in ahead:
                task.cancel()

    def open(self, _digest: str) -> int | None:
        return None

    def local(self, digest: str, folder: Path) -> Path:
        target = folder / digest.removeprefix("sha256:")
        if target.exists():
            return target
        size = self.size(digest)
        if size is None:
            raise _missing(digest)
        growing = target.with_suffix(".part")
        with durable.full_disk_named(digest), growing.open("wb") as file:
            for piece in fetched(self.objects, [(key(digest), size)]):
                file.write(piece)
        return growing.rename(target)

    def link(self, digest: str, life: timedelta) -> str | None:
        return self.objects.sign("GET", key(digest), life)

    def delete(self, digest: str) -> None:
        self.objects.delete([key(digest)])

    def digests(self, shelf: str = "") -> Iterator[str]:
        for found in self.objects.list(f"sha256/{shelf}" if shelf else "sha256"):
            yield "sha256:" + found.key.rpartition("/")[2]


def key(digest: str) -> str:
    """Where the blob is, or would be."""
    name = digest.removeprefix("sha256:")
    return f"sha256/{name[:2]}/{name}"


def ranges(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """`start` to `stop`, cut into what one call may carry."""
    for position in range(start, stop, PIECE):
        yield position, min(position + PIECE, stop)


def fetched(objects: Objects, sizes: list[tuple[str, int]]) -> Iterator[memoryview]:
    """The bytes of objects, (key, size) each, one after the other; raises NotFound."""
    wanted = ((name, *span) for name, size in sizes for span in ranges(0, size))
    ahead: deque[Future[memoryview]] = deque()
    with ThreadPoolExecutor(_AHEAD) as pool:
        try:
            for name, start, stop in wanted:
                ahead.append(pool.submit(objects.get, name, start, stop))
                if len(ahead) > _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _blocks(piece: memoryview) -> Iterator[bytes]:
    for position in range(0, len(piece), BLOCK):
        yield bytes(piece[position : position + BLOCK])


def _missing(digest: str) -> errors.NotFound:
    return errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
