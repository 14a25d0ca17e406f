"""One suite for every blob store: a local directory, and an object store speaking S3."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from registry import errors
from registry.store.blobs import BlobStore
from registry.store.bucket import BucketStore
from registry.store.folder import FolderStore


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderStore(tmp_path / "blobs")
    return BucketStore(request.getfixturevalue("bucket"))


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def spooled(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "upload.part"
    file.write_bytes(data)
    return file


def read(blobs: BlobStore, digest: str, start: int, stop: int) -> bytes:
    async def collect() -> bytes:
        return b"".join([block async for block in blobs.read(digest, start, stop)])

    return asyncio.run(collect())


LARGE = bytes(range(256)) * (12 * 4096 + 7)  # over one multipart part, and no whole number of MiB


@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "one byte", "12 MiB"])
def test_what_was_adopted_is_read_back(blobs: BlobStore, tmp_path: Path, data: bytes) -> None:
    digest = digest_of(data)
    assert blobs.size(digest) is None
    file = spooled(tmp_path, data)
    blobs.adopt(file, digest)
    assert blobs.size(digest) == len(data)
    assert read(blobs, digest, 0, len(data)) == data
    assert not file.exists()


def test_any_range_can_be_read(blobs: BlobStore, tmp_path: Path) -> None:
    digest = digest_of(LARGE)
    blobs.adopt(spooled(tmp_path, LARGE), digest)
    for start, stop in [(0, 1), (5, 5), (1048575, 1048577), (len(LARGE) - 1, len(LARGE))]:
        assert read(blobs, digest, start, stop) == LARGE[start:stop]


def test_putting_twice_leaves_one_blob(blobs: BlobStore, tmp_path: Path) -> None:
    digest = digest_of(b"same")
    blobs.put(b"same", digest)
    blobs.put(b"same", digest)
    blobs.adopt(spooled(tmp_path, b"same"), digest)
    assert list(blobs.digests()) == [digest]


def test_a_blob_can_be_read_from_a_local_file(blobs: BlobStore, tmp_path: Path) -> None:
    digest = digest_of(LARGE)
    blobs.adopt(spooled(tmp_path, LARGE), digest)
    for _ in range(2):
        assert blobs.local(digest, tmp_path).read_bytes() == LARGE


def test_a_deleted_blob_is_gone_and_deleting_again_is_fine(blobs: BlobStore) -> None:
    digest = digest_of(b"gone")
    blobs.put(b"gone", digest)
    blobs.delete(digest)
    blobs.delete(digest)
    assert blobs.size(digest) is None
    assert list(blobs.digests()) == []


def test_a_blob_that_is_not_there_is_not_found(blobs: BlobStore, tmp_path: Path) -> None:
    digest = digest_of(b"never")
    with pytest.raises(errors.NotFound):
        read(blobs, digest, 0, 5)
    with pytest.raises(errors.NotFound):
        blobs.local(digest, tmp_path)


@pytest.mark.usefixtures("bucket")
def test_an_object_store_that_is_away_is_unavailable() -> None:
    with pytest.raises(errors.Unavailable):
        BucketStore("s3://no-such-bucket").put(b"x", digest_of(b"x"))


def test_a_damaged_blob_is_healed_by_pushing_it_again(tmp_path: Path) -> None:
    blobs = FolderStore(tmp_path / "blobs")
    digest = digest_of(b"weights")
    blobs.put(b"weights", digest)
    stored = blobs.path(digest)
    stored.chmod(0o600)
    stored.write_bytes(b"weighty")
    blobs.adopt(spooled(tmp_path, b"weights"), digest)
    assert stored.read_bytes() == b"weights"


def test_stored_files_are_read_only(tmp_path: Path) -> None:
    blobs = FolderStore(tmp_path / "blobs")
    blobs.adopt(spooled(tmp_path, b"x"), digest_of(b"x"))
    assert blobs.path(digest_of(b"x")).stat().st_mode & 0o777 == 0o440
