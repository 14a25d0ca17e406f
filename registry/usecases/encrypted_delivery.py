"""A blob as an age file for one host: encrypted to the key that the host was enrolled with.

Where the blob is stored encrypted, only the header is new: the payload goes out as it lies there.
Where it is stored clear it is encrypted on the way. The file is the same each time for the same
blob and host, whatever replica sends it, so a download can be resumed by byte.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from registry import errors
from registry.core import age, age_payload
from registry.core.age import FileKey
from registry.core.age_payload import CHUNK, NONCE, Sealer
from registry.core.identity import Caller
from registry.store.encrypted import Payloads
from registry.usecases import hosts
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Clear:
    """Bytes to be encrypted on their way; `read` gives those from start up to stop."""

    digest: str
    size: int
    read: Callable[[int, int], AsyncIterator[bytes | memoryview]]

    @property
    def tag(self) -> str:
        """A blob has one for ever."""
        return f'"{self.digest}"'


@dataclass(frozen=True, slots=True)
class Parcel:
    """An age file that is about to be sent: its payload lies in a store, or is made on the way."""

    digest: str
    header: bytes
    key: FileKey
    nonce: bytes
    plain_size: int
    source: Payloads | Clear

    @property
    def size(self) -> int:
        """How long the file is."""
        return len(self.header) + age_payload.sealed_size(self.plain_size)

    @property
    def tag(self) -> str:
        """Another file has another: for another host, or after the blob was stored anew."""
        mark = hashlib.sha256(self.header + self.nonce).hexdigest()[:32]
        return f'"{self.digest}/age/{mark}"'


def recipient(registry: Registry, by: Caller) -> str | None:
    """The key to encrypt to; None for a host that has none. Raises Forbidden for a revoked one."""
    with registry.database.reading() as session:
        if hosts.is_revoked(session, by.name):
            raise revoked(by.name)
        return hosts.recipient(session, by.name)


def require_welcome(registry: Registry, by: Caller) -> None:
    """Raise Forbidden where the host was revoked in the meantime."""
    with registry.database.reading() as session:
        if hosts.is_revoked(session, by.name):
            raise revoked(by.name)


def pack(registry: Registry, digest: str, to: str) -> Parcel:
    """A stored blob; raises NotFound, KeyDestroyed, DecryptionFailed, Unavailable."""
    store = registry.encrypted
    found = None if store is None else store.opening(digest)
    if store is not None and found is not None:
        header = _header(registry, found.key, found.key_id, digest, to)
        return Parcel(digest, header, found.key, found.key_id, found.size, store.payloads)
    size = registry.blobs.size(digest)
    if size is None:
        raise errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
    return seal(registry, Clear(digest, size, partial(registry.blobs.read, digest)), to)


def seal(registry: Registry, clear: Clear, to: str) -> Parcel:
    """What is encrypted only on the way, under a key that is derived from blob and host."""
    made = registry.vault.derive(f"delivery {clear.digest} {to}")
    key, nonce = FileKey(made[:16]), made[16:]
    header = _header(registry, key, nonce, clear.digest, to)
    return Parcel(clear.digest, header, key, nonce, clear.size, clear)


def _header(registry: Registry, key: FileKey, nonce: bytes, digest: str, to: str) -> bytes:
    # As good as random to whoever lacks our key, and the same for who resumes.
    ephemeral = registry.vault.derive(f"delivery of {nonce.hex()} {digest} {to}")
    return age.encode([age.wrap(key, to, ephemeral=ephemeral)], key)


def payload_file(parcel: Parcel) -> int | None:
    """A descriptor of the payload, if it is a plain file, and still the one that was packed."""
    if isinstance(parcel.source, Clear):
        return None
    file = parcel.source.open(parcel.digest)
    if file is not None and os.pread(file, NONCE, 0) != parcel.nonce:
        os.close(file)
        return None
    return file


async def content(parcel: Parcel, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes of the age file from `start` up to `stop`."""
    head = len(parcel.header)
    if start < head:
        yield parcel.header[start:stop]
    start, stop = max(start - head, 0), max(stop - head, 0)
    if start >= stop:
        return
    if isinstance(parcel.source, Clear):
        blocks = _sealed(parcel, parcel.source, start, stop)
    else:
        blocks = parcel.source.read(parcel.digest, start, stop)
    async for block in blocks:
        yield block


async def _sealed(parcel: Parcel, clear: Clear, start: int, stop: int) -> AsyncIterator[bytes]:
    """Whole chunks, encrypted now, and of them what was asked for."""
    if start < NONCE:
        yield parcel.nonce[start:stop]
    first = max(start - NONCE, 0) // age_payload.SEALED
    sealer = Sealer(parcel.key, parcel.nonce, first)
    end = min((max(stop - NONCE, 0) // age_payload.SEALED + 2) * CHUNK, clear.size)
    skip = max(start - age_payload.offset_of(first), 0)
    left = stop - max(start, NONCE)
    async for block in clear.read(first * CHUNK, end):
        sealed = await asyncio.to_thread(sealer.update, block)
        shown = sealed[skip:][: max(left, 0)]
        if shown:
            yield shown
        skip, left = max(skip - len(sealed), 0), left - len(shown)
    if left > 0:
        yield sealer.finish()[skip:][:left]


def revoked(host: str) -> errors.Forbidden:
    """What is said to a host that was turned out."""
    return errors.Forbidden(
        f"host {host} was revoked: nothing is sent to it any more",
        fix="enrol it again if it is yours",
    )
