"""Uploads in an object store, so that any replica can go on with what another began.

An upload is a marker object and parts named by the place of their first byte; its offset is how
far the parts reach without a gap. A part is created only where there is none: of two writers one
wins. What is left of a crash is taken up by the next append, or expires. Finishing streams the
parts through SHA-256 into the blob's object, which appears only if the digest is right.

What a byte costs this side's network: sent out twice (part, blob) and read back once; sent once
where it came in one request with its digest (`take`); read once and sent once where the sender
put it into the store itself (`direct`).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from registry import errors
from registry.store import bucket, uploads
from registry.store.arriving import Arriving, Proving
from registry.store.blobs import Buffer, Stored
from registry.store.bucket import BucketStore
from registry.store.objects import PIECE, Found
from registry.store.uploads import Claim, Direct, Part, Place

if TYPE_CHECKING:
    from hashlib import _Hash

_MARKER = "begun"
_DIRECT_PART = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _State:
    """The parts that follow one another from byte 0 on, as (key, size)."""

    parts: list[tuple[str, int]]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.parts)


@dataclass(slots=True)
class _Noting:
    """A claim that remembers whether it was made."""

    claim: Claim
    stored: Stored | None = None

    def __call__(self, stored: Stored) -> None:
        self.claim(stored)
        self.stored = stored

    def proven(self) -> Stored:
        """What was claimed: only that is ever stored."""
        assert self.stored is not None  # noqa: S101  the stream ends after its claim
        return self.stored


class BucketUploads:
    """Nothing of an upload is kept here but its hash so far, which others can compute anew."""

    def __init__(self, blobs: BucketStore, *, max_bytes: int) -> None:
        self.blobs = blobs
        self.max_bytes = max_bytes
        self._objects = blobs.objects
        self._hashers: dict[str, tuple[int, _Hash]] = {}
        self._last_seen = (0, 0)

    def begin(self) -> str:
        upload = uploads.new_id()
        self._objects.put(_key(upload, _MARKER), b"")
        return upload

    def offset(self, upload: str) -> int:
        return self._state(upload).size

    def abort(self, upload: str) -> None:
        self._state(upload)
        self._forget(upload)

    async def append(
        self, upload: str, chunks: AsyncIterator[bytes], *, start: int | None, size: int | None
    ) -> int:
        offset = (await asyncio.to_thread(self._state, upload)).size
        Place(start, size).require(upload, offset, limit=self.max_bytes)
        hasher = self._known(upload, offset)
        arriving = Arriving(self._objects, _key(upload, ""), offset, hasher)
        try:
            async for chunk in chunks:
                uploads.require_room(arriving.taken + len(chunk), self.max_bytes)
                await arriving.take(chunk)
        finally:
            await arriving.drain()
        if hasher is not None:
            self._hashers[upload] = (arriving.taken, hasher)
        return arriving.taken

    def finish(self, upload: str, digest: str | None, claim: Claim) -> Stored:
        state = self._state(upload)
        try:
            uploads.require_room(state.size, self.max_bytes)
            stored, is_proven = self._expected(upload, state, digest)
            if not self._hold(state, stored, claim, is_proven=is_proven):
                self._store(state, stored, claim)
        except (errors.DigestMismatch, errors.TooLarge):
            self._forget(upload)
            raise
        except errors.NotFound:
            raise uploads.unknown(upload) from None  # another request has finished it just now
        self._forget(upload)
        return stored

    async def take(
        self, chunks: AsyncIterator[bytes], digest: str | None, *, size: int | None, claim: Claim
    ) -> Stored:
        Place(0, size).require("", 0, limit=self.max_bytes)
        if digest is None:
            return await self._take_unnamed(chunks, claim)
        noting = _Noting(claim)
        pieces = Proving(digest, noting).passing(chunks, limit=self.max_bytes)
        most = self.max_bytes if size is None else size
        try:
            await self._objects.put_stream_soon(bucket.key(digest), pieces, most=most)
        except errors.Unavailable:
            if not await asyncio.to_thread(self._is_there, noting):
                raise
        return noting.proven()

    def content(self, upload: str, start: int) -> Iterator[Buffer]:
        """What is there from byte `start` on; raises NotFound, at once."""
        return _after(start, bucket.fetched(self._objects, self._state(upload).parts))

    def direct(self, upload: str, total: int, life: timedelta) -> Direct | None:
        uploads.require_room(total, self.max_bytes)
        expires = datetime.now(UTC) + life
        parts: list[Part] = []
        for start in range(0, total, _DIRECT_PART):
            url = self._objects.sign("PUT", _part(upload, start), life)
            if url is None:
                return None
            parts.append(Part(start, min(start + _DIRECT_PART, total), url))
        return Direct(parts, self._objects.put_headers, expires)

    def expire(self, *, older_than: float) -> int:
        deadline = datetime.now(UTC) - timedelta(seconds=older_than)
        found: dict[str, list[Found]] = {}
        for item in self._objects.list("uploads"):
            found.setdefault(item.key.split("/")[1], []).append(item)
        stale = [
            upload for upload, items in found.items() if max(i.touched for i in items) < deadline
        ]
        for upload in stale:
            self._remove(found.pop(upload))
        for upload in set(self._hashers) - set(found):
            self._hashers.pop(upload, None)
        self._last_seen = len(found), sum(i.size for items in found.values() for i in items)
        return len(stale)

    def spooled(self) -> tuple[int, int]:
        return self._last_seen

    async def _take_unnamed(self, chunks: AsyncIterator[bytes], claim: Claim) -> Stored:
        upload = await asyncio.to_thread(self.begin)
        try:
            await self.append(upload, chunks, start=0, size=None)
            return await asyncio.to_thread(self.finish, upload, None, claim)
        except BaseException:
            # Else it would be found by `expire`, but later.
            with suppress(errors.PlimsollError):
                await asyncio.to_thread(self._forget, upload)
            raise

    def _expected(self, upload: str, state: _State, digest: str | None) -> tuple[Stored, bool]:
        """What the parts should be, and whether that is proven already."""
        known = self._known(upload, state.size)
        if known is None and digest is not None:
            return Stored(digest, state.size), False
        actual = known.hexdigest() if known is not None else self._read(state)
        stored = Stored(f"sha256:{actual}", state.size)
        stored.require(digest)
        return stored, True

    def _hold(self, state: _State, stored: Stored, claim: Claim, *, is_proven: bool) -> bool:
        """Whether the very same blob is there already, and claimed: it is not written again."""
        if self.blobs.size(stored.digest) != stored.size:
            return False
        if not is_proven:
            Stored(f"sha256:{self._read(state)}", state.size).require(stored.digest)
        claim(stored)
        # A sweep may have been removing it until the claim was there.
        return self.blobs.size(stored.digest) == stored.size

    def _store(self, state: _State, stored: Stored, claim: Claim) -> None:
        noting = _Noting(claim)
        name, proven = bucket.key(stored.digest), self._proven(state, stored, noting)
        if stored.size <= PIECE:
            self._objects.put(name, b"".join(proven))
            return
        try:
            self._objects.put_stream(name, proven, most=stored.size)
        except errors.Unavailable:
            if not self._is_there(noting):
                raise

    def _is_there(self, noting: "_Noting") -> bool:
        """Whether a write that failed has not: only its answer was lost, or another was first.

        Azure refuses our blocks once another writer of the same bytes has committed his.
        """
        stored = noting.stored
        return stored is not None and self.blobs.size(stored.digest) == stored.size

    def _proven(self, state: _State, stored: Stored, claim: Claim) -> Iterator[Buffer]:
        """The bytes; ends only if they are what they should be, and are claimed."""
        hasher = hashlib.sha256()
        for piece in bucket.fetched(self._objects, state.parts):
            hasher.update(piece)
            yield piece
        Stored(f"sha256:{hasher.hexdigest()}", stored.size).require(stored.digest)
        claim(stored)

    def _read(self, state: _State) -> str:
        hasher = hashlib.sha256()
        for piece in bucket.fetched(self._objects, state.parts):
            hasher.update(piece)
        return hasher.hexdigest()

    def _known(self, upload: str, offset: int) -> "_Hash | None":
        """The hash so far, if it was all this process that took the bytes in."""
        known = self._hashers.pop(upload, None)
        if known is not None and known[0] == offset:
            return known[1]
        return hashlib.sha256() if offset == 0 else None

    def _state(self, upload: str) -> _State:
        found = {item.key: item.size for item in self._objects.list(_folder(upload))}
        if _key(upload, _MARKER) not in found:
            raise uploads.unknown(upload)
        parts: list[tuple[str, int]] = []
        offset = 0
        while size := found.get(_part(upload, offset)):
            parts.append((_part(upload, offset), size))
            offset += size
        return _State(parts)

    def _forget(self, upload: str) -> None:
        self._hashers.pop(upload, None)
        self._remove(list(self._objects.list(_folder(upload))))

    def _remove(self, items: list[Found]) -> None:
        # The marker first: an upload without its first parts would look like another one.
        names = sorted((item.key for item in items), key=lambda name: not name.endswith(_MARKER))
        self._objects.delete(names)


def _after(start: int, pieces: Iterator[memoryview]) -> Iterator[Buffer]:
    for piece in pieces:
        if start < len(piece):
            yield piece[start:]
        start = max(start - len(piece), 0)


def _folder(upload: str) -> str:
    return f"uploads/{uploads.require_id(upload)}"


def _key(upload: str, name: str) -> str:
    return f"{_folder(upload)}/{name}"


def _part(upload: str, start: int) -> str:
    return _key(upload, f"{start:020d}")
