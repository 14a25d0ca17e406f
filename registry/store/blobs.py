"""What a blob store promises, whatever is behind it. `open_store` picks one by its address.

A blob is put whole and verified, or not at all; putting it again changes nothing, except that
a copy damaged on disk is replaced by the good one. Reading gives the stored bytes as they are:
whoever reads checks the digest.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Protocol

BLOCK = 1024 * 1024


class BlobStore(Protocol):
    """`digest` is always a well-formed one (registry.core.digest)."""

    def size(self, digest: str) -> int | None:
        """Bytes stored under `digest`, or None where there are none."""

    def adopt(self, spooled: Path, digest: str) -> None:
        """Move a synced file, whose digest was checked, into the store. Durable on return."""

    def put(self, content: bytes, digest: str) -> None:
        """Store a small document. Durable on return."""

    def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes from `start` up to `stop`, in blocks of at most 1 MiB; raises NotFound."""

    def local(self, digest: str, folder: Path) -> Path:
        """A local file to read it from: the store's own, or a copy made in `folder`."""

    def delete(self, digest: str) -> None:
        """Remove it; nothing happens where it is not there."""

    def digests(self) -> Iterator[str]:
        """All blobs there are, in no particular order."""
