"""Picks the blob store that an address names, and the spool folder that goes with it."""

from pathlib import Path

from registry.store.blobs import BlobStore
from registry.store.bucket import BucketStore
from registry.store.folder import FolderStore


def open_store(address: str, data_dir: Path) -> tuple[BlobStore, Path]:
    """A directory, or `s3://bucket/prefix`, whose credentials come from the environment."""
    if "://" in address and not address.startswith("file://"):
        return BucketStore(address), data_dir / "uploads"
    root = Path(address.removeprefix("file://"))
    return FolderStore(root), root / "uploads"
