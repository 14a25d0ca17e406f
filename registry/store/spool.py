"""Uploads beside a folder of blobs: one growing file each. The file's length is the truth.

After a crash an upload goes on where its file ends; its SHA-256 so far is then computed again
from the file. One writer at a time, across processes, by a lock on the file. Finishing is a
rename: each byte is written once, and read back only after a crash.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors
from registry.store import durable, intake, uploads
from registry.store.blobs import BLOCK, Buffer, Stored
from registry.store.folder import SPOOLED, FolderStore
from registry.store.uploads import Claim, Direct, Place

if TYPE_CHECKING:
    from hashlib import _Hash


class FolderUploads:
    """The spool is a folder inside the store's, so that finishing is a rename."""

    def __init__(self, blobs: FolderStore, *, max_bytes: int) -> None:
        self.blobs = blobs
        self.spool = blobs.spool
        self.max_bytes = max_bytes
        # Hash of what the file holds, for uploads this process has been writing.
        self._hashers: dict[str, tuple[int, _Hash]] = {}

    def begin(self) -> str:
        # Not synced: whoever loses a new upload to a power cut has lost nothing.
        upload = uploads.new_id()
        with durable.full_disk_named("an upload"):
            os.close(os.open(self._path(upload), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return upload

    def offset(self, upload: str) -> int:
        try:
            return self._path(upload).stat().st_size
        except FileNotFoundError:
            raise uploads.unknown(upload) from None

    def abort(self, upload: str) -> None:
        self.offset(upload)
        self._forget(upload)

    async def append(
        self, upload: str, chunks: AsyncIterator[bytes], *, start: int | None, size: int | None
    ) -> int:
        with self._locked(upload) as descriptor:
            offset = os.fstat(descriptor).st_size
            Place(start, size).require(upload, offset, limit=self.max_bytes)
            self._require_free(size or 0)
            hasher = await asyncio.to_thread(self._hasher, upload, descriptor, offset)
            with durable.full_disk_named(f"upload {upload}"):
                end = await intake.append(
                    chunks, descriptor, offset=offset, limit=self.max_bytes, hasher=hasher
                )
            self._hashers[upload] = (end, hasher)
            return end

    def finish(self, upload: str, digest: str | None, claim: Claim) -> Stored:
        with self._locked(upload) as descriptor:
            size = os.fstat(descriptor).st_size
            hasher = self._hasher(upload, descriptor, size)
            stored = Stored(f"sha256:{hasher.hexdigest()}", size)
            try:
                stored.require(digest)
            except errors.DigestMismatch:
                self._forget(upload)
                raise
            with durable.full_disk_named(stored.digest):
                os.fsync(descriptor)
            claim(stored)
            self.blobs.adopt(self._path(upload), stored.digest)
        return stored

    async def take(
        self, chunks: AsyncIterator[bytes], digest: str | None, *, size: int | None, claim: Claim
    ) -> Stored:
        upload = self.begin()
        try:
            await self.append(upload, chunks, start=0, size=size)
            return await asyncio.to_thread(self.finish, upload, digest, claim)
        finally:
            self._forget(upload)

    def content(self, upload: str, start: int) -> Iterator[Buffer]:
        """What is there from byte `start` on; raises NotFound, Conflict. Nobody adds to it."""
        with self._locked(upload) as descriptor:
            position = start
            while block := os.pread(descriptor, BLOCK, position):
                yield block
                position += len(block)

    def direct(self, _upload: str, _total: int, _life: timedelta) -> Direct | None:
        return None

    def expire(self, *, older_than: float) -> int:
        deadline = time.time() - older_than
        stale = [file for file in self.spool.glob(f"*{SPOOLED}") if _touched(file) < deadline]
        return sum(self._expire(file.name.removesuffix(SPOOLED), deadline) for file in stale)

    def spooled(self) -> tuple[int, int]:
        sizes = [_size(file) for file in self.spool.glob(f"*{SPOOLED}")]
        return len(sizes), sum(sizes)

    def _require_free(self, size: int) -> None:
        if size > shutil.disk_usage(self.spool).free:
            raise errors.StorageFull(
                f"no room left for {size} bytes", fix="free disk space on the registry"
            )

    def _hasher(self, upload: str, descriptor: int, offset: int) -> "_Hash":
        # Taken out while in use: after a failure it may be ahead of the file.
        known = self._hashers.pop(upload, None)
        if known is not None and known[0] == offset:
            return known[1]
        hasher = hashlib.sha256()
        position = 0
        while position < offset:
            block = os.pread(descriptor, min(BLOCK, offset - position), position)
            hasher.update(block)
            position += len(block)
        return hasher

    @contextmanager
    def _locked(self, upload: str) -> Iterator[int]:
        try:
            descriptor = os.open(self._path(upload), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise uploads.unknown(upload) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise errors.Conflict(
                f"upload {upload} is being written by another request",
                fix="wait for it to end, ask for the offset, then go on from there",
            ) from None
        try:
            if os.fstat(descriptor).st_nlink == 0 or not self._path(upload).exists():
                raise uploads.unknown(upload)  # finished by another request just now
            yield descriptor
        finally:
            # Closing alone would leave it to whatever child was forked meanwhile, until it execs.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def _expire(self, upload: str, deadline: float) -> bool:
        try:
            with self._locked(upload):
                is_stale = _touched(self._path(upload)) < deadline
                if is_stale:
                    self._forget(upload)
                return is_stale
        except (errors.Conflict, errors.NotFound):
            return False  # somebody has come back for it

    def _forget(self, upload: str) -> None:
        self._hashers.pop(upload, None)
        self._path(upload).unlink(missing_ok=True)

    def _path(self, upload: str) -> Path:
        return self.spool / f"{uploads.require_id(upload)}{SPOOLED}"


def _touched(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
