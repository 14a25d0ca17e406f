"""A blob as an age file for one host: encrypted to the key that the host was enrolled with.

Where the blob is stored encrypted, only the header is new: the payload goes out as it lies there.
Where it is stored clear it is encrypted on the way. The file is the same each time for the same
blob and host, whatever replica sends it, so a download can be resumed by byte.
"""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from registry import errors
from registry.core import age, age_payload
from registry.core.age import FileKey
from registry.core.age_payload import CHUNK, NONCE, Sealer
from registry.core.identity import Caller
from registry.store.encrypted import Payloads
from registry.usecases import hosts
from registry.usecases.opening import Registry


@dataclass(frozen=True, slots=True)
class Parcel:
    """An age file that is about to be sent; `payloads` is where its payload lies, if it does."""

    digest: str
    header: bytes
    key: FileKey
    nonce: bytes
    plain_size: int
    payloads: Payloads | None

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
            raise _revoked(by)
        return hosts.recipient(session, by.name)


def require_welcome(registry: Registry, by: Caller) -> None:
    """Raise Forbidden where the host was revoked in the meantime."""
    with registry.database.reading() as session:
        if hosts.is_revoked(session, by.name):
            raise _revoked(by)


def pack(registry: Registry, digest: str, to: str) -> Parcel:
    """Raises NotFound, KeyDestroyed, DecryptionFailed, Unavailable."""
    store = registry.encrypted
    found = None if store is None else store.opening(digest)
    if store is not None and found is not None:
        key, nonce, size = found.key, found.key_id, found.size
        payloads: Payloads | None = store.payloads
    else:
        plain = registry.blobs.size(digest)
        if plain is None:
            raise errors.NotFound(f"no blob {digest}", fix="upload it first, or check the digest")
        made = registry.vault.derive(f"delivery {digest} {to}")
        key, nonce, size, payloads = FileKey(made[:16]), made[16:], plain, None
    # As good as random to whoever lacks our key, and the same for who resumes.
    ephemeral = registry.vault.derive(f"delivery of {nonce.hex()} {digest} {to}")
    header = age.encode([age.wrap(key, to, ephemeral=ephemeral)], key)
    return Parcel(digest, header, key, nonce, size, payloads)


def payload_file(parcel: Parcel) -> int | None:
    """A descriptor of the payload, if it is a plain file, and still the one that was packed."""
    file = None if parcel.payloads is None else parcel.payloads.open(parcel.digest)
    if file is not None and os.pread(file, NONCE, 0) != parcel.nonce:
        os.close(file)
        return None
    return file


async def content(
    registry: Registry, parcel: Parcel, start: int, stop: int
) -> AsyncIterator[bytes]:
    """The bytes of the age file from `start` up to `stop`."""
    head = len(parcel.header)
    if start < head:
        yield parcel.header[start:stop]
    start, stop = max(start - head, 0), max(stop - head, 0)
    if start >= stop:
        return
    if parcel.payloads is not None:
        async for block in parcel.payloads.read(parcel.digest, start, stop):
            yield block
        return
    async for block in _sealed(registry, parcel, start, stop):
        yield block


async def _sealed(
    registry: Registry, parcel: Parcel, start: int, stop: int
) -> AsyncIterator[bytes]:
    """Whole chunks, encrypted now, and of them what was asked for."""
    if start < NONCE:
        yield parcel.nonce[start:stop]
    first = max(start - NONCE, 0) // age_payload.SEALED
    sealer = Sealer(parcel.key, parcel.nonce, first)
    end = min((max(stop - NONCE, 0) // age_payload.SEALED + 2) * CHUNK, parcel.plain_size)
    skip = max(start - age_payload.offset_of(first), 0)
    left = stop - max(start, NONCE)
    async for block in registry.blobs.read(parcel.digest, first * CHUNK, end):
        sealed = sealer.update(block)
        shown = sealed[skip:][: max(left, 0)]
        if shown:
            yield shown
        skip, left = max(skip - len(sealed), 0), left - len(shown)
    if left > 0:
        yield sealer.finish()[skip:][:left]


def _revoked(by: Caller) -> errors.Forbidden:
    return errors.Forbidden(
        f"host {by.name} was revoked: nothing is sent to it any more",
        fix="enrol it again if it is yours",
    )
