"""What a blob store promises, whatever is behind it. `addresses.open_store` picks one.

A blob is put whole and verified, or not at all; putting it again changes nothing, except that
a copy damaged on disk is replaced by the good one. Reading gives the stored bytes as they are:
whoever reads checks the digest.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from registry import errors

BLOCK = 1024 * 1024

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes whose digest was computed, not believed."""

    digest: str
    size: int

    def require(self, wanted: str | None) -> None:
        """Raise DigestMismatch unless this is what was announced; None announces nothing."""
        if wanted not in (None, self.digest):
            raise errors.DigestMismatch(
                f"the {self.size} bytes received have digest {self.digest}, announced was {wanted}",
                fix="upload the file again from its source",
            )


class BlobStore(Protocol):
    """`digest` is always a well-formed one (registry.core.digest)."""

    def check(self) -> None:
        """Raise Unavailable unless the store answers."""

    def size(self, digest: str) -> int | None:
        """Bytes stored under `digest`, or None where there are none."""

    def put(self, content: bytes, digest: str) -> None:
        """Store a small document. Durable on return."""

    def put_all(self, contents: Mapping[str, bytes]) -> None:
        """Store several, by digest. Durable on return; where it raises, some may be stored."""

    def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes from `start` up to `stop`, in blocks of some MiB at most; raises NotFound."""

    def open(self, digest: str) -> int | None:
        """A descriptor of the blob's own file, for sendfile; None where it is not a file here."""

    def local(self, digest: str, folder: Path) -> Path:
        """A local file to read it from: the store's own, or a copy made in `folder`."""

    def link(self, digest: str, life: timedelta) -> str | None:
        """An address that gives the blob to whoever has it; None where there is no such thing."""

    def delete(self, digest: str) -> None:
        """Remove it; nothing happens where it is not there."""

    def digests(self, shelf: str = "") -> Iterator[str]:
        """All blobs there are, or those whose digest begins with two such characters."""
