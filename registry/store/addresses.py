"""Picks the blob store that an address names, and the spool of uploads that goes with it."""

from pathlib import Path

from registry.store.blobs import BlobStore
from registry.store.bucket import BucketStore
from registry.store.encrypted import EncryptedStore, Keyring
from registry.store.encrypted_uploads import HEAD, EncryptedUploads, Spool
from registry.store.folder import FolderStore
from registry.store.objects import Objects
from registry.store.parts import BucketUploads
from registry.store.spool import FolderUploads
from registry.store.uploads import Uploads

# Where encrypted blobs are, below the place of clear ones.
_ENCRYPTED = "age"


def open_store(
    address: str, *, max_bytes: int, seconds: float, keyring: Keyring | None = None
) -> tuple[BlobStore, Uploads]:
    """A directory, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

    Credentials come from the environment. No blob is over `max_bytes`; a call to an object store
    may take `seconds`. With a keyring what comes is stored encrypted. Raises InvalidConfig.
    """
    if keyring is not None:
        return _encrypted(address, keyring, max_bytes=max_bytes, seconds=seconds)
    if _is_remote(address):
        bucket = BucketStore(Objects(address, seconds=seconds))
        return bucket, BucketUploads(bucket, max_bytes=max_bytes)
    folder = FolderStore(_path(address))
    return folder, FolderUploads(folder, max_bytes=max_bytes)


def _encrypted(
    address: str, keyring: Keyring, *, max_bytes: int, seconds: float
) -> tuple[EncryptedStore, EncryptedUploads]:
    uploads: Spool
    before: Uploads
    if _is_remote(address):
        below = address.rstrip("/") + "/" + _ENCRYPTED
        bucket = BucketStore(Objects(below, seconds=seconds))
        clear = BucketStore(Objects(address, seconds=seconds))
        blobs = EncryptedStore(bucket, clear, keyring)
        uploads = BucketUploads(bucket, max_bytes=max_bytes + HEAD)
        before = BucketUploads(clear, max_bytes=max_bytes)
    else:
        folder, clear_folder = FolderStore(_path(address) / _ENCRYPTED), FolderStore(_path(address))
        blobs = EncryptedStore(folder, clear_folder, keyring)
        uploads = FolderUploads(folder, max_bytes=max_bytes + HEAD)
        before = FolderUploads(clear_folder, max_bytes=max_bytes)
    return blobs, EncryptedUploads(blobs, uploads, before, max_bytes=max_bytes)


def _is_remote(address: str) -> bool:
    return "://" in address and not address.startswith("file://")


def _path(address: str) -> Path:
    return Path(address.removeprefix("file://"))
