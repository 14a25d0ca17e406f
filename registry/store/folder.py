"""Blobs in a local directory: `sha256/ab/abcd…`, read-only files.

obstore's LocalStore would do for reading, but it does not sync what it writes, so a power cut
could take an acknowledged push back; the commit here is our own (docs/adr).
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from registry import errors
from registry.store import durable
from registry.store.blobs import BLOCK


class FolderStore:
    """`root` and the upload spool must be on one file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "sha256").mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob is, or would be."""
        name = digest.removeprefix("sha256:")
        return self.root / "sha256" / name[:2] / name

    def size(self, digest: str) -> int | None:
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def adopt(self, spooled: Path, digest: str) -> None:
        spooled.chmod(0o440)
        with durable.full_disk_named(digest):
            durable.move(spooled, self.path(digest))

    def put(self, content: bytes, digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.write_private(target, content)
        target.chmod(0o440)

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        descriptor = self._open(digest)
        try:
            position = start
            while position < stop:
                wanted = min(BLOCK, stop - position)
                block = _read_cached(descriptor, wanted, position)
                if not block:
                    block = await asyncio.to_thread(os.pread, descriptor, wanted, position)
                if not block:
                    raise errors.IntegrityError(f"blob {digest} ends at byte {position}")
                position += len(block)
                yield block
        finally:
            os.close(descriptor)

    def local(self, digest: str, _folder: Path) -> Path:
        if self.size(digest) is None:
            raise _missing(digest)
        return self.path(digest)

    def delete(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        for file in (self.root / "sha256").glob("??/*"):
            if len(file.name) == 64:
                yield f"sha256:{file.name}"

    def _open(self, digest: str) -> int:
        try:
            return os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _missing(digest) from None


def _read_cached(descriptor: int, size: int, position: int) -> bytes:
    """What the page cache holds, without ever waiting for the disk; may be short or empty."""
    buffer = bytearray(size)
    try:
        count = os.preadv(descriptor, [buffer], position, os.RWF_NOWAIT)
    except BlockingIOError:
        return b""
    return bytes(buffer) if count == size else bytes(buffer[:count])


def _missing(digest: str) -> errors.NotFound:
    return errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
