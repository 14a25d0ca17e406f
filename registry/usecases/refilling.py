"""The bytes of a backup into a store: each hashed on its way, clear or encrypted as settings say.

What was encrypted stays as it is, under its own keys. What was clear is encrypted where the
settings want that. Bytes whose keys were destroyed since the backup are not brought back.
"""

from collections.abc import Callable
from dataclasses import replace

from registry import errors
from registry.core import digest as digests
from registry.settings import Settings
from registry.store import addresses
from registry.store.archive import Archive, Manifest
from registry.store.blobs import BlobStore
from registry.store.encrypted import EncryptedStore
from registry.usecases import copying, inventory, key_providers, sealed_copies
from registry.usecases.copying import Blob, Looked
from registry.usecases.reloading import Copied
from registry.usecases.retention import Progress
from registry.usecases.sealed_copies import PortableKeyring


def refill(
    settings: Settings,
    source: Archive,
    manifest: Manifest,
    gone: set[str],
    progress: Progress,
    *,
    despite_missing: bool,
) -> tuple[Manifest, Copied]:
    """What is in the target now; the manifest says what is missing.

    Raises IntegrityError naming damage, Conflict where the target is not empty, and KeyDestroyed
    where the backup has what was erased since, unless that is put up with.
    """
    keys = sealed_copies.keys_in(source, manifest)
    erased = {row.digest for name, row in keys.items() if name in gone}
    if erased and not despite_missing:
        _refuse(source, manifest, erased)
    kept = {name: row for name, row in keys.items() if name not in gone}
    opens = key_providers.existing if kept else key_providers.open_provider
    keyring = PortableKeyring(opens(settings), kept)
    there = sealed_copies.opened(source, keyring)
    store, carry = _target(settings, keyring, there)
    _require_none_but(store, there)
    manifest = replace(manifest, missing=[*manifest.missing, *sorted(erased)])
    copied, damaged, seen = Copied(set(), keyring.rows.values(), gone), list[Looked](), 0
    wanted = (blob for blob in inventory.blobs(source, manifest) if blob.digest not in erased)
    for looked in copying.copy(
        wanted, there, carry, is_there=lambda blob: copying.is_intact(store, blob)
    ):
        seen += looked.blob.size
        progress("bytes", seen, manifest.blob_bytes)
        if looked.flaw:
            damaged.append(looked)
        copied.digests.add(digests.raw(looked.blob.digest))
    inventory.require_intact(source, manifest, damaged)
    return manifest, copied


def _target(
    settings: Settings, keyring: PortableKeyring, there: EncryptedStore
) -> tuple[BlobStore, Callable[[Blob], None]]:
    """Where the bytes go, and what carries one of them."""
    store, uploads = addresses.open_store(
        settings.blobs,
        max_bytes=settings.limits.max_file_bytes,
        seconds=settings.limits.storage_seconds,
        keyring=None if keyring.provider is None else keyring,
    )

    def carry(blob: Blob) -> None:
        if isinstance(store, EncryptedStore) and there.payloads.size(blob.digest) is not None:
            sealed_copies.carry(there, store.payloads, blob)
        else:
            copying.take(there, uploads, blob)

    return store, carry


def _require_none_but(store: BlobStore, there: BlobStore) -> None:
    for digest in store.digests():
        if there.size(digest) is None:
            raise errors.Conflict(
                f"the blob store is not empty: it has {digest}, the backup has not",
                fix="name an empty folder or bucket",
            )


def _refuse(source: Archive, manifest: Manifest, erased: set[str]) -> None:
    owners = inventory.owners(source, manifest, erased)
    said = sorted({owner for digest in erased for owner in owners.get(digest, ["no version"])})
    raise errors.KeyDestroyed(
        f"the backup in {source.root} is from before an erasure: the keys of {len(erased)} of its "
        f"blobs were destroyed since ({', '.join(said[:10])})",
        fix="restore all else with --despite-missing, then erase those versions again",
    )
