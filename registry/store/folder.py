"""Blobs in a local directory: `sha256/ab/abcd…`, read-only files.

obstore's LocalStore would do for reading, but it does not sync what it writes, so a power cut
could take an acknowledged push back; the commit here is our own (docs/adr).
"""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from registry import errors
from registry.store import durable, uploads
from registry.store.blobs import BLOCK, Buffer

SPOOLED = ".part"


class FolderStore:
    """`spool` is where files grow until they are whole and synced; a sweep finds the others."""

    reads_whole = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.spool = root / "uploads"
        self.spool.mkdir(parents=True, exist_ok=True)
        self._durable_shelves: set[Path] = set()
        if not (root / "sha256").is_dir():
            (root / "sha256").mkdir(exist_ok=True)
            durable.sync_folder(root)

    def _new_spool(self) -> Path:
        return self.spool / f"{uploads.new_id()}{SPOOLED}"

    def check(self) -> None:
        if not self.spool.is_dir():
            raise errors.Unavailable(f"the folder {self.root} is gone", fix="put it back")

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
        """Move a synced file, whose digest was checked, into the store. Durable on return."""
        spooled.chmod(0o440)
        with durable.full_disk_named(digest):
            self._move({spooled: self.path(digest)})

    def _move(self, targets: Mapping[Path, Path]) -> None:
        """A shelf that is there may be another process's, which has yet to sync that it is."""
        new = {target.parent for target in targets.values()} - self._durable_shelves
        for shelf in new:
            shelf.mkdir(parents=True, exist_ok=True)
        if new:
            durable.sync_folder(self.root / "sha256")
            self._durable_shelves |= new
        durable.move_all(targets)

    def put(self, content: bytes, digest: str) -> None:
        self.put_all({digest: content})

    def put_all(self, contents: Mapping[str, bytes]) -> None:
        """In steps that all of them take together: the disk syncs many at once for one's price."""
        spooled = {digest: self._new_spool() for digest in contents}
        try:
            for digest, path in spooled.items():
                with durable.full_disk_named(digest), path.open("xb", buffering=0) as file:
                    durable.write_whole(file.fileno(), contents[digest])
                    # Begins to write them out, which the syncs below then wait for together.
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for digest, path in spooled.items():
                with durable.full_disk_named(digest):
                    durable.sync_file(path)
                path.chmod(0o440)
            self._move({path: self.path(digest) for digest, path in spooled.items()})
        finally:
            for path in spooled.values():
                path.unlink(missing_ok=True)

    def keep(self, digest: str, pieces: Iterable[Buffer], *, most: int) -> None:  # noqa: ARG002
        """Store what comes under this name, whatever it is; nothing where `pieces` raises."""
        spooled = self._new_spool()
        try:
            with durable.full_disk_named(digest), spooled.open("xb", buffering=0) as file:
                for piece in pieces:
                    durable.write_whole(file.fileno(), piece)
                os.fsync(file.fileno())
            self.adopt(spooled, digest)
        finally:
            spooled.unlink(missing_ok=True)

    def beginning(self, digest: str, count: int) -> bytes:
        """The first bytes; raises NotFound, IntegrityError where there are fewer."""
        descriptor = self.open(digest)
        try:
            return _read(descriptor, 0, count)
        finally:
            os.close(descriptor)

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        descriptor = self.open(digest)
        try:
            os.posix_fadvise(descriptor, start, stop - start, os.POSIX_FADV_SEQUENTIAL)
            for position in range(start, stop, BLOCK):
                size = min(BLOCK, stop - position)
                if is_cached(descriptor, position, size):
                    yield _read(descriptor, position, size)
                else:
                    yield await asyncio.to_thread(_read, descriptor, position, size)
        finally:
            os.close(descriptor)

    def open(self, digest: str) -> int:
        try:
            return os.open(self.path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise _missing(digest) from None

    def local(self, digest: str, _folder: Path) -> Path:
        if self.size(digest) is None:
            raise _missing(digest)
        return self.path(digest)

    def link(self, _digest: str, _life: timedelta) -> str | None:
        return None

    def delete(self, digest: str) -> None:
        self.path(digest).unlink(missing_ok=True)

    def digests(self, shelf: str = "") -> Iterator[str]:
        for file in (self.root / "sha256").glob(f"{shelf or '??'}/*"):
            if len(file.name) == 64:
                yield f"sha256:{file.name}"


def is_cached(descriptor: int, position: int, size: int) -> bool:
    """Whether both ends are in the page cache: then reading will hardly wait for the disk."""
    try:
        for at in (position, position + size - 1):
            os.preadv(descriptor, [bytearray(1)], at, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError as failure:
        # Some file systems cannot say; then whoever reads may wait.
        if failure.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
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
