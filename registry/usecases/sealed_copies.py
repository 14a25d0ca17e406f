"""Encrypted blobs into a backup and out of it: payloads as they are, their wrapped keys beside.

Each payload is decrypted on its way, to compare it with its digest; what is written is never
clear. `keys.jsonl` lists the keys of the very bytes that are in the backup.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from registry import errors
from registry.core import fields
from registry.core.age import FileKey
from registry.core.age_payload import NONCE, Opener, sealed_size
from registry.core.canonical import Json
from registry.db import keys as rows
from registry.db.keys import Row
from registry.store.archive import Archive, Manifest, Writer
from registry.store.blobs import Stored
from registry.store.encrypted import BlobKey, EncryptedStore, Opening, Payloads, unknown_key
from registry.trust.wrapping import KeyProvider
from registry.usecases import copying, keyring
from registry.usecases.copying import Blob
from registry.usecases.opening import Registry

KEYS = "keys.jsonl"


@dataclass(slots=True)
class PortableKeyring:
    """Wrapped keys outside of a database: those of a backup, and those that come while restoring.

    `provider` None opens none of them.
    """

    provider: KeyProvider | None
    rows: dict[str, Row] = field(default_factory=dict)

    def new(self) -> BlobKey:
        return keyring.new(self._provider())

    def keep(self, key: BlobKey, digest: str) -> None:
        self.rows[key.name] = Row(key.name, digest, key.header, key.wrapped_by)

    def open(self, key_id: bytes) -> FileKey:
        row = self.rows.get(key_id.hex())
        if row is None:
            raise unknown_key(key_id)
        return self.read(row.header)

    def read(self, header: bytes) -> FileKey:
        return keyring.opened(self._provider(), header)

    def _provider(self) -> KeyProvider:
        if self.provider is None:
            raise errors.InvalidConfig(
                "these blobs are encrypted, and the settings name no key provider",
                fix="name the configuration of their registry with --config",
            )
        return self.provider


def is_encrypted(manifest: Manifest) -> bool:
    """Whether there is any encrypted blob in the backup."""
    return KEYS in manifest.files


def keys_in(source: Archive, manifest: Manifest) -> dict[str, Row]:
    """The wrapped keys of a backup, by id; raises IntegrityError."""
    found = {}
    for line in source.read_lines(manifest, KEYS) if is_encrypted(manifest) else ():
        match line:
            case [str(name), str(digest), str(header), str(by)]:
                raw = fields.unbase64(header, what=KEYS)
                found[name] = Row(name, digest, raw, by)
            case _:
                raise errors.IntegrityError(f"{KEYS} has a line that is no key")
    return found


def opened(source: Archive, found: PortableKeyring) -> EncryptedStore:
    """The blobs of a backup, encrypted ones and clear ones, to be read."""
    return EncryptedStore(source.sealed, source.blobs, found)


def is_saved(registry: Registry, archive: Archive, blob: Blob) -> bool:
    """Whether the backup has the blob already, in the form that it has now and with a live key."""
    store = registry.encrypted
    if store is None or store.payloads.size(blob.digest) is None:
        return archive.blobs.size(blob.digest) == blob.size
    if archive.sealed.size(blob.digest) != sealed_size(blob.size):
        return False
    with registry.database.reading() as session:
        name = archive.sealed.beginning(blob.digest, NONCE).hex()
        return rows.header(session, name) is not None


def save(registry: Registry, archive: Archive, blob: Blob) -> None:
    """Copy one blob into the backup; raises DigestMismatch, DecryptionFailed, NotFound."""
    store = registry.encrypted
    if store is not None and store.payloads.size(blob.digest) is not None:
        carry(store, archive.sealed, blob)
        archive.sealed.path(blob.digest).chmod(0o600)
    else:
        copying.take(registry.blobs, archive.uploads, blob)
        archive.blobs.path(blob.digest).chmod(0o600)


def write_keys(registry: Registry, writer: Writer) -> None:
    """After the list of blobs: the keys of those that are encrypted."""

    def lines() -> Iterator[Json]:
        for line in writer.lines("blobs.jsonl"):
            digest = str(line[0]) if isinstance(line, list) else ""
            if writer.archive.sealed.size(digest) is None:
                continue
            name = writer.archive.sealed.beginning(digest, NONCE).hex()
            with registry.database.reading() as session:
                row = rows.row(session, name)
            if row is None:
                raise errors.Unavailable(
                    f"{digest} was stored anew while it was copied", fix="run the backup again"
                )
            yield [row.id, row.digest, fields.base64_text(row.header), row.wrapped_by]

    if registry.keyring is not None:
        writer.write_lines(KEYS, lines())


def carry(source: EncryptedStore, target: Payloads, blob: Blob) -> None:
    """A payload from one store into another, unless it is not what its digest says."""
    found = source.opening(blob.digest)
    if found is None:
        raise errors.NotFound(f"no blob {blob.digest}")
    most = sealed_size(blob.size)
    payload = drained(source.payloads.read(blob.digest, 0, most))
    target.keep(blob.digest, _proven(payload, found, blob), most=most)


def _proven(payload: Iterator[bytes], found: Opening, blob: Blob) -> Iterator[bytes]:
    opener, hasher, size, skip = Opener(found.key, found.key_id), hashlib.sha256(), 0, NONCE
    for block in payload:
        plain = opener.update(block[skip:])
        hasher.update(plain)
        size, skip = size + len(plain), 0
        yield block
    last = opener.finish()
    hasher.update(last)
    Stored(f"sha256:{hasher.hexdigest()}", size + len(last)).require(blob.digest)


def drained(blocks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """What an async reader gives, for a thread."""

    async def following() -> bytes | None:
        return await anext(blocks, None)

    with asyncio.Runner() as runner:
        while (block := runner.run(following())) is not None:
            yield block
