"""Resumable uploads: one growing file each, in the spool. The file's length is the truth.

After a crash an upload goes on where its file ends; its SHA-256 so far is then computed again
from the file. One writer at a time, across processes, by a lock on the file. What nobody
touched for a while expires.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from registry import errors
from registry.store import durable, intake
from registry.store.blobs import BLOCK, BlobStore

if TYPE_CHECKING:
    from hashlib import _Hash

_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = ".part"


class Uploads:
    """`spool` is on the file system of the folder store, so that finishing is a rename."""

    def __init__(self, spool: Path, blobs: BlobStore, *, max_bytes: int) -> None:
        self.spool = spool
        self.blobs = blobs
        self.max_bytes = max_bytes
        # Hash of what the file holds, for uploads this process has been writing.
        self._hashers: dict[str, tuple[int, _Hash]] = {}
        spool.mkdir(parents=True, exist_ok=True)

    def begin(self) -> str:
        """A new, empty upload's id."""
        upload = secrets.token_hex(16)
        with durable.full_disk_named("an upload"):
            os.close(os.open(self._path(upload), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            durable.sync_folder(self.spool)
        return upload

    def offset(self, upload: str) -> int:
        """How many bytes are there; raises NotFound for an unknown, finished or expired one."""
        try:
            return self._path(upload).stat().st_size
        except FileNotFoundError:
            raise _unknown(upload) from None

    def abort(self, upload: str) -> None:
        """Forget the upload and what it holds."""
        self.offset(upload)
        self._forget(upload)

    async def append(
        self, upload: str, chunks: AsyncIterator[bytes], *, start: int | None, size: int | None
    ) -> int:
        """Add `chunks` and return the new offset.

        `start` and `size` are what the sender declared, None where it did not. Raises
        OutOfOrder, TooLarge, StorageFull, or Conflict where another writer is at it.
        """
        with self._locked(upload) as descriptor:
            offset = os.fstat(descriptor).st_size
            self._require_place(upload, offset, start=start, size=size)
            hasher = await asyncio.to_thread(self._hasher, upload, descriptor, offset)
            with durable.full_disk_named(f"upload {upload}"):
                end = await intake.append(
                    chunks, descriptor, offset=offset, limit=self.max_bytes, hasher=hasher
                )
            self._hashers[upload] = (end, hasher)
            return end

    def is_finished(self, upload: str, digest: str) -> bool:
        """Whether the upload is gone and its blob is here: its answer was lost on the way."""
        return not self._path(upload).exists() and self.blobs.size(digest) is not None

    def finish(self, upload: str, digest: str) -> int:
        """Check the digest, then move the bytes into the blob store; returns their count.

        Raises DigestMismatch, after which nothing of the upload is left.
        """
        with self._locked(upload) as descriptor:
            size = os.fstat(descriptor).st_size
            actual = "sha256:" + self._hasher(upload, descriptor, size).hexdigest()
            if actual != digest:
                self._forget(upload)
                raise errors.DigestMismatch(
                    f"the {size} bytes received have digest {actual}, announced was {digest}",
                    fix="upload the file again from its source",
                )
            with durable.full_disk_named(digest):
                os.fsync(descriptor)
            self.blobs.adopt(self._path(upload), digest)
        self._forget(upload)
        return size

    def expire(self, *, older_than: float) -> int:
        """Remove uploads untouched for `older_than` seconds; returns how many."""
        deadline = time.time() - older_than
        stale = [file for file in self.spool.glob(f"*{_SUFFIX}") if _touched(file) < deadline]
        for file in stale:
            self._forget(file.name.removesuffix(_SUFFIX))
        return len(stale)

    def spooled(self) -> tuple[int, int]:
        """How many uploads are open, and how many bytes they hold."""
        sizes = [file.stat().st_size for file in self.spool.glob(f"*{_SUFFIX}")]
        return len(sizes), sum(sizes)

    def _require_place(
        self, upload: str, offset: int, *, start: int | None, size: int | None
    ) -> None:
        if start is not None and start != offset:
            raise errors.OutOfOrder(
                f"upload {upload} holds {offset} bytes, the chunk starts at {start}",
                fix=f"send the bytes from {offset} on",
            )
        if size is None:
            return
        if offset + size > self.max_bytes:
            raise errors.TooLarge(
                f"the upload would have {offset + size} bytes, the limit is {self.max_bytes}",
                fix="raise limits.max_file_bytes if the file is meant to be this large",
            )
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
            raise _unknown(upload) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink == 0 or not self._path(upload).exists():
                raise _unknown(upload)  # finished by another request just now
            yield descriptor
        except BlockingIOError:
            raise errors.Conflict(
                f"upload {upload} is being written by another request",
                fix="wait for it to end, ask for the offset, then go on from there",
            ) from None
        finally:
            os.close(descriptor)

    def _forget(self, upload: str) -> None:
        self._hashers.pop(upload, None)
        self._path(upload).unlink(missing_ok=True)

    def _path(self, upload: str) -> Path:
        if not _ID.fullmatch(upload):
            raise _unknown(upload)
        return self.spool / f"{upload}{_SUFFIX}"


def _touched(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def _unknown(upload: str) -> errors.NotFound:
    return errors.NotFound(
        f"no upload {upload[:40]!r}: it never began, has finished, or has expired",
        fix="begin a new one with POST /v1/uploads",
    )
