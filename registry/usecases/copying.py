"""Blobs from one store into another, or only read again: several at once, each byte checked.

A blob that is not what its digest says is a flaw, told and not copied; the others go on.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from registry import errors
from registry.store.blobs import BlobStore
from registry.store.uploads import Uploads

_AT_ONCE = 4
_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Blob:
    """What a digest stands for, as the books say."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Looked:
    """A blob that was read; `flaw` is empty where it is what its digest says."""

    blob: Blob
    flaw: str
    was_there: bool = False


def check(blobs: Iterable[Blob], store: BlobStore) -> Iterator[Looked]:
    """Read each; raises Unavailable where the store does not answer."""
    return _each(blobs, lambda blob: Looked(blob, _flaw(store, blob, lambda: _read(store, blob))))


def copy(
    blobs: Iterable[Blob],
    source: BlobStore,
    carry: Callable[[Blob], None],
    *,
    is_there: Callable[[Blob], bool],
) -> Iterator[Looked]:
    """Copy with `carry` each that is not there yet; raises StorageFull, Unavailable."""

    def one(blob: Blob) -> Looked:
        if is_there(blob):
            return Looked(blob, "", was_there=True)
        return Looked(blob, _flaw(source, blob, lambda: carry(blob)))

    return _each(blobs, one)


def take(source: BlobStore, uploads: Uploads, blob: Blob) -> None:
    """Copy one blob through a spool; raises DigestMismatch, NotFound."""
    content = source.read(blob.digest, 0, blob.size)
    asyncio.run(uploads.take(content, blob.digest, size=blob.size, claim=lambda _: None))


def is_intact(store: BlobStore, blob: Blob) -> bool:
    """Whether the blob is in the store, and each byte of it is right."""
    return not _flaw(store, blob, lambda: _read(store, blob))


def _each(blobs: Iterable[Blob], work: Callable[[Blob], Looked]) -> Iterator[Looked]:
    """In order, a few at once, no more ahead than memory is for."""
    ahead: deque[Future[Looked]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for blob in blobs:
                ahead.append(pool.submit(work, blob))
                if len(ahead) >= _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _flaw(store: BlobStore, blob: Blob, work: Callable[[], None]) -> str:
    found = store.size(blob.digest)
    if found is None:
        return "its bytes are gone"
    if found != blob.size:
        return f"{found} bytes are there instead of {blob.size}"
    try:
        work()
    except errors.NotFound:
        return "its bytes are gone"
    except errors.KeyDestroyed:
        return "the key to its bytes was destroyed by an erasure"
    except errors.IntegrityError:
        return "its bytes were changed"
    return ""


def _read(store: BlobStore, blob: Blob) -> None:
    actual = asyncio.run(_hash(store, blob))
    if actual != blob.digest:
        raise errors.DigestMismatch(f"the bytes stored as {blob.digest} have digest {actual}")


async def _hash(store: BlobStore, blob: Blob) -> str:
    hasher = hashlib.sha256()
    async for block in store.read(blob.digest, 0, blob.size):
        hasher.update(block)
    return f"sha256:{hasher.hexdigest()}"
