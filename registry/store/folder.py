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
            os.posix_fadvise(descriptor, start, stop - start, os.POSIX_FADV_SEQUENTIAL)
            for position in range(start, stop, BLOCK):
                size = min(BLOCK, stop - position)
                if _is_cached(descriptor, position, size):
                    yield _read(descriptor, position, size)
                else:
                    yield await asyncio.to_thread(_read, descriptor, position, size)
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


def _is_cached(descriptor: int, position: int, size: int) -> bool:
    """Whether both ends are in the page cache: then reading will hardly wait for the disk."""
    try:
        for at in (position, position + size - 1):
            os.preadv(descriptor, [bytearray(1)], at, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int, position: int, size: int) -> bytes:
    block = os.pread(descriptor, size, position)
    while len(block) < size:
        more = os.pread(descriptor, size - len(block), position + len(block))
        if not more:
            raise errors.IntegrityError(f"a blob ends at byte {position + len(block)}")
        block += more
    return block


def _missing(digest: str) -> errors.NotFound:
    return errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
