"""The one path by which bytes come in, and what is asked about bytes that are here.

The order is always: the digest is proven, then the claim on it is committed, then the bytes get
their name. A crash in between leaves a claim on nothing, or bytes with a claim that nobody
refers to; a sweep finds both. Whoever refers to a blob checks the claim under the writer's lock
(registry.db.blobs).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from registry import errors
from registry.core import digest as digests
from registry.db import blobs as claimed
from registry.store import uploads
from registry.store.uploads import Direct, Stored
from registry.usecases.opening import Registry

# As much is received before anything is written: one write, one sync, no file that grows.
_SMALL = 2 * 1024 * 1024
# A link is followed at once; the other one lasts for as long as a large part may take.
_DOWNLOAD_FOR = timedelta(minutes=5)
_UPLOAD_FOR = timedelta(hours=6)


def begin(registry: Registry) -> str:
    """A new, empty upload's id; any replica knows it from now on."""
    return registry.uploads.begin()


def offset(registry: Registry, upload: str) -> int:
    """How many bytes are there; raises NotFound for an unknown, finished or expired upload."""
    return registry.uploads.offset(upload)


async def append(
    registry: Registry,
    upload: str,
    stream: AsyncIterator[bytes],
    *,
    start: int | None = None,
    size: int | None = None,
) -> int:
    """Add `stream` and return the new offset; what came before it broke off is kept.

    `start` and `size` are what the sender declared. Raises OutOfOrder, TooLarge, StorageFull,
    Unavailable, or Conflict where another request is writing the same upload.
    """
    return await registry.uploads.append(upload, stream, start=start, size=size)


def finish(registry: Registry, upload: str, digest: str | None = None) -> Stored:
    """Keep the upload's bytes as a blob; `digest` None means whatever they are.

    Finishing again with the same digest succeeds again: the first answer may have been lost.
    Raises NotFound, or DigestMismatch after which nothing of the upload is left.
    """
    if digest is not None:
        digests.parse(digest)
    try:
        return registry.uploads.finish(upload, digest, registry.claims.make)
    except errors.NotFound:
        if digest is None or not hold(registry, digest):
            raise
        return Stored(digest, registry.blobs.size(digest) or 0)


async def take(
    registry: Registry,
    stream: AsyncIterator[bytes],
    digest: str | None = None,
    *,
    size: int | None = None,
) -> Stored:
    """Keep `stream` as a blob, in one request: nothing is left of it unless all goes well."""
    if digest is not None:
        digests.parse(digest)
    uploads.require_room(size or 0, registry.settings.limits.max_file_bytes)
    if size is None or size <= _SMALL:
        content, is_whole = await _beginning(stream)
        if is_whole:
            return await asyncio.to_thread(put, registry, content, digest)
        stream = _chained(content, stream)
    return await registry.uploads.take(stream, digest, size=size, claim=registry.claims.make)


def put(registry: Registry, content: bytes, digest: str | None = None) -> Stored:
    """Keep a small document as a blob; raises DigestMismatch, TooLarge."""
    stored = _proven(registry, content, digest)
    registry.claims.make(stored)
    registry.blobs.put(content, stored.digest)
    return stored


def put_all(registry: Registry, announced: Sequence[tuple[str, bytes]]) -> list[Stored]:
    """Keep each (digest, content) as a blob; raises DigestMismatch, after keeping those before."""
    proven: list[Stored] = []
    contents: dict[str, bytes] = {}
    try:
        for digest, content in announced:
            proven.append(_proven(registry, content, digest))
            contents[digest] = content
    finally:
        if proven:
            registry.claims.make(*proven)
            registry.blobs.put_all(contents)
    return proven


def absent(registry: Registry, wanted: Sequence[str]) -> list[str]:
    """Those of `wanted` that have to be sent, in its order: the store is asked for known ones."""
    with registry.database.reading() as session:
        unclaimed = claimed.missing(session, wanted)
    return [
        digest
        for digest in dict.fromkeys(wanted)
        if digest in unclaimed or registry.blobs.size(digest) is None
    ]


def abort(registry: Registry, upload: str) -> None:
    """Forget the upload and what it holds; raises NotFound."""
    registry.uploads.abort(upload)


def size(registry: Registry, digest: str) -> int | None:
    """How many bytes the blob has; None where it is not here."""
    return registry.blobs.size(digest)


def hold(registry: Registry, digest: str) -> bool:
    """Claim a blob that is here already, for a new purpose; False where it is not here.

    From now on a sweep leaves it alone for as long as something freshly uploaded.
    """
    found = registry.blobs.size(digest)
    if found is None:
        return False
    registry.claims.make(Stored(digest, found))
    # A sweep may have been removing it until the claim was there.
    return registry.blobs.size(digest) is not None


def link(registry: Registry, digest: str) -> str | None:
    """Where to fetch a blob past the registry, for some minutes; None if the store has no such."""
    return registry.blobs.link(digest, _DOWNLOAD_FOR)


def direct(registry: Registry, upload: str, total: int) -> Direct | None:
    """Where to put an upload's `total` bytes past the registry; None if the store has no such.

    Finishing reads them from the store and checks the digest before they get their name.
    """
    return registry.uploads.direct(upload, total, _UPLOAD_FOR)


def _proven(registry: Registry, content: bytes, digest: str | None) -> Stored:
    uploads.require_room(len(content), registry.settings.limits.max_file_bytes)
    stored = Stored(digests.of(content), len(content))
    stored.require(digest)
    return stored


async def _beginning(stream: AsyncIterator[bytes]) -> tuple[bytes, bool]:
    """What comes first, and whether that is all."""
    chunks, size = [], 0
    async for chunk in stream:
        chunks.append(chunk)
        size += len(chunk)
        if size > _SMALL:
            return b"".join(chunks), False
    return b"".join(chunks), True


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
