"""Stored blobs for who makes something of them: read from end to end, in constant memory."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

from registry import errors
from registry.core.oms import File
from registry.store.blobs import BLOCK, BlobStore


def blocks(blobs: BlobStore, file: File) -> Iterator[memoryview | bytes]:
    """The blob's bytes, each block good until the next; raises NotFound, IntegrityError."""
    descriptor = blobs.open(file.digest)
    read = _streamed(blobs, file) if descriptor is None else _plain(descriptor)
    total = 0
    for block in read:
        total += len(block)
        yield block
    if total != file.size:
        raise errors.IntegrityError(f"the stored {file.digest} has {total} bytes, not {file.size}")


def document(blobs: BlobStore, digest: str, size: int) -> bytes:
    """A small blob, whole."""
    return b"".join(bytes(block) for block in blocks(blobs, File("", digest, size)))


def _plain(descriptor: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(BLOCK))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while count := file.readinto(buffer):
            yield buffer[:count]


def _streamed(blobs: BlobStore, file: File) -> Iterator[bytes]:
    with asyncio.Runner() as runner:
        stream = blobs.read(file.digest, 0, file.size)
        while block := runner.run(_next(stream)):
            yield block


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    return await anext(stream, b"")
