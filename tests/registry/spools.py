"""Both kinds of spool for the tests, opened as often as there are replicas."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from registry.store import addresses
from registry.store.blobs import BlobStore, Stored
from registry.store.uploads import Uploads
from tests.registry import keyrings

MOST = 32 * 1024**2


@dataclass
class Replica:
    """One process's view of a store; `claims` is what it claimed, in order."""

    blobs: BlobStore
    uploads: Uploads
    claims: list[Stored] = field(default_factory=list)

    def append(
        self,
        upload: str,
        *chunks: bytes | Exception,
        start: int | None = None,
        size: int | None = None,
    ) -> int:
        return asyncio.run(self.uploads.append(upload, flowing(chunks), start=start, size=size))

    def take(
        self, *chunks: bytes | Exception, digest: str | None = None, size: int | None = None
    ) -> Stored:
        return asyncio.run(
            self.uploads.take(flowing(chunks), digest, size=size, claim=self.claims.append)
        )

    def finish(self, upload: str, digest: str | None = None) -> Stored:
        return self.uploads.finish(upload, digest, self.claims.append)

    def content(self, digest: str) -> bytes:
        return asyncio.run(self._content(digest))

    async def _content(self, digest: str) -> bytes:
        size = self.blobs.size(digest)
        assert size is not None
        return b"".join([block async for block in self.blobs.read(digest, 0, size)])


def replica(address: str, *, seconds: float = 60, keys: Path | None = None) -> Replica:
    """With a file of keys the store is an encrypted one."""
    keyring = None if keys is None else keyrings.shared(address, keys)
    return Replica(*addresses.open_store(address, max_bytes=MOST, seconds=seconds, keyring=keyring))


async def flowing(chunks: Iterable[bytes | Exception]) -> AsyncIterator[bytes]:
    """As a request's body comes; an exception among the chunks is raised at its place."""
    for chunk in chunks:
        await asyncio.sleep(0)
        if isinstance(chunk, Exception):
            raise chunk
        yield chunk
