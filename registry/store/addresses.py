"""Picks the blob store that an address names, and the spool of uploads that goes with it."""

from pathlib import Path

from registry.store.blobs import BlobStore
from registry.store.bucket import BucketStore
from registry.store.folder import FolderStore
from registry.store.objects import Objects
from registry.store.parts import BucketUploads
from registry.store.spool import FolderUploads
from registry.store.uploads import Uploads


def open_store(address: str, *, max_bytes: int, seconds: float) -> tuple[BlobStore, Uploads]:
    """A directory, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.

    Credentials come from the environment. No blob is over `max_bytes`; a call to an object store
    may take `seconds`. Raises InvalidConfig.
    """
    if "://" in address and not address.startswith("file://"):
        bucket = BucketStore(Objects(address, seconds=seconds))
        return bucket, BucketUploads(bucket, max_bytes=max_bytes)
    folder = FolderStore(Path(address.removeprefix("file://")))
    return folder, FolderUploads(folder, max_bytes=max_bytes)
