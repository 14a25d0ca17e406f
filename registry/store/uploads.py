"""What a spool of uploads promises, whatever is behind it: bytes on their way to being a blob.

An upload is known by its id alone, to every replica that shares the store. `claim` is called
once the digest is proven, and before the bytes get their name. What nobody touches for a while
expires, whatever a crash has left of it.
"""

import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from registry import errors
from registry.store.blobs import Stored

__all__ = ["Claim", "Direct", "Part", "Place", "Stored", "Uploads"]

# It may wait for a database, but not call the store that calls it.
Claim = Callable[[Stored], None]

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `start` up to `stop`, and the address that takes them with PUT."""

    start: int
    stop: int
    url: str


@dataclass(frozen=True, slots=True)
class Direct:
    """Where an upload's bytes may be put past the registry, in any order and in parallel."""

    parts: Sequence[Part]
    headers: dict[str, str]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where in an upload the sender says its bytes belong; None where it did not say."""

    start: int | None
    size: int | None

    def require(self, upload: str, offset: int, *, limit: int) -> None:
        """Raise OutOfOrder or TooLarge unless they go on at `offset` and end within `limit`."""
        if self.start is not None and self.start != offset:
            raise errors.OutOfOrder(
                f"upload {upload} holds {offset} bytes, the chunk starts at {self.start}",
                fix=f"send the bytes from {offset} on",
            )
        if self.size is not None:
            require_room(offset + self.size, limit)


class Uploads(Protocol):
    """Sync calls may block; the two async ones are for the server's event loop."""

    def begin(self) -> str:
        """A new, empty upload's id."""

    def offset(self, upload: str) -> int:
        """How many bytes are there; raises NotFound for an unknown, finished or expired one."""

    def abort(self, upload: str) -> None:
        """Forget the upload and what it holds; raises NotFound."""

    async def append(
        self, upload: str, chunks: AsyncIterator[bytes], *, start: int | None, size: int | None
    ) -> int:
        """Add `chunks` and return the new offset; what arrived before a failure may be kept.

        Raises OutOfOrder, TooLarge, StorageFull, Unavailable, or Conflict where another writer
        is at it.
        """

    def finish(self, upload: str, digest: str | None, claim: Claim) -> Stored:
        """Check the digest, claim, then keep the bytes as a blob, durably.

        Raises NotFound, or DigestMismatch, after which nothing of the upload is left.
        """

    async def take(
        self, chunks: AsyncIterator[bytes], digest: str | None, *, size: int | None, claim: Claim
    ) -> Stored:
        """Begin, append and finish at once; whatever fails, nothing is left but what expires."""

    def direct(self, upload: str, total: int, life: timedelta) -> Direct | None:
        """Addresses that take `total` bytes, none of which is there yet; None if not offered."""

    def expire(self, *, older_than: float) -> int:
        """Remove what was not touched for `older_than` seconds; returns how many uploads."""

    def spooled(self) -> tuple[int, int]:
        """How many uploads are open, and how many bytes they hold: now, or at the last sweep."""


def new_id() -> str:
    """Nobody can guess it."""
    return secrets.token_hex(16)


def require_id(upload: str) -> str:
    """`upload`, if it could be one; raises NotFound."""
    if not _ID.fullmatch(upload):
        raise unknown(upload)
    return upload


def unknown(upload: str) -> errors.NotFound:
    """For ids that mean nothing here."""
    return errors.NotFound(
        f"no upload {upload[:40]!r}: it never began, has finished, or has expired",
        fix="begin a new one with POST /v1/uploads",
    )


def require_room(total: int, limit: int) -> None:
    """Raise TooLarge where an upload would have more bytes than it may."""
    if total > limit:
        raise errors.TooLarge(
            f"the upload has {total} bytes or more, the limit is {limit}",
            fix="raise limits.max_file_bytes if the file is meant to be this large",
        )
