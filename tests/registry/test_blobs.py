"""One suite for every blob store: a local directory, an object store speaking S3, encrypted."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from registry import errors
from registry.store import addresses
from registry.store.blobs import BlobStore
from registry.store.folder import FolderStore
from tests.registry import keyrings
from tests.registry.publishing import digest_of

MOST = 1024**3


@pytest.fixture(params=["folder", "bucket", "encrypted folder", "encrypted bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    is_folder = "folder" in request.param
    address = str(tmp_path / "blobs") if is_folder else request.getfixturevalue("bucket")
    is_encrypted = "encrypted" in request.param
    keyring = keyrings.shared(address, tmp_path / "blobs.key") if is_encrypted else None
    return addresses.open_store(address, max_bytes=MOST, seconds=60, keyring=keyring)[0]


def read(blobs: BlobStore, digest: str, start: int, stop: int) -> bytes:
    async def collect() -> bytes:
        return b"".join([block async for block in blobs.read(digest, start, stop)])

    return asyncio.run(collect())


# Over one piece of what an object store is asked for at once, and no whole number of MiB.
LARGE = bytes(range(256)) * (9 * 4096 + 7)


@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "one byte", "9 MiB"])
def test_what_was_put_is_read_back(blobs: BlobStore, data: bytes) -> None:
    digest = digest_of(data)
    assert blobs.size(digest) is None
    blobs.put(data, digest)
    assert blobs.size(digest) == len(data)
    assert read(blobs, digest, 0, len(data)) == data


def test_any_range_can_be_read(blobs: BlobStore) -> None:
    digest = digest_of(LARGE)
    blobs.put(LARGE, digest)
    edges = [(0, 1), (5, 5), (1048575, 1048577), (8388607, 8388609), (len(LARGE) - 1, len(LARGE))]
    for start, stop in edges:
        assert read(blobs, digest, start, stop) == LARGE[start:stop]


def test_reading_can_be_given_up_in_the_middle(blobs: BlobStore) -> None:
    digest = digest_of(LARGE)
    blobs.put(LARGE, digest)

    async def begin() -> bytes:
        reading = blobs.read(digest, 0, len(LARGE))
        async for first in reading:
            return first
        return b""

    first = asyncio.run(begin())
    assert first
    assert LARGE.startswith(first)


def test_putting_twice_leaves_one_blob(blobs: BlobStore) -> None:
    digest = digest_of(b"same")
    for _ in range(2):
        blobs.put(b"same", digest)
    assert list(blobs.digests()) == [digest]


def test_a_blob_can_be_read_from_a_local_file(blobs: BlobStore, tmp_path: Path) -> None:
    digest = digest_of(LARGE)
    blobs.put(LARGE, digest)
    for _ in range(2):
        assert blobs.local(digest, tmp_path).read_bytes() == LARGE


def test_a_copy_that_broke_off_is_not_taken_for_the_blob(bucket: str, tmp_path: Path) -> None:
    blobs = addresses.open_store(bucket, max_bytes=MOST, seconds=60)[0]
    digest = digest_of(LARGE)
    blobs.put(LARGE, digest)
    place = tmp_path / digest.removeprefix("sha256:")
    place.with_suffix(".part").write_bytes(LARGE[:1000])
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


def test_a_store_that_is_there_says_so(blobs: BlobStore) -> None:
    blobs.check()
    assert list(blobs.digests()) == []


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_unavailable() -> None:
    blobs = addresses.open_store("s3://no-such-bucket", max_bytes=MOST, seconds=2)[0]
    with pytest.raises(errors.Unavailable):
        blobs.put(b"x", digest_of(b"x"))
    with pytest.raises(errors.Unavailable):
        blobs.check()


def test_a_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    blobs = FolderStore(tmp_path / "blobs")
    blobs.spool.rmdir()
    with pytest.raises(errors.Unavailable):
        blobs.check()


@pytest.mark.parametrize("address", ["ftp://host/place", "s3://", "nowhere://x"])
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(address: str) -> None:
    with pytest.raises(errors.InvalidConfig):
        addresses.open_store(address, max_bytes=MOST, seconds=1)


def test_only_an_object_store_gives_links(tmp_path: Path, bucket: str) -> None:
    for address, has_links in [(str(tmp_path), False), (bucket, True)]:
        blobs = addresses.open_store(address, max_bytes=MOST, seconds=60)[0]
        link = blobs.link(digest_of(b"x"), timedelta(seconds=60))
        assert (link is not None) == has_links


def test_a_damaged_blob_is_healed_by_pushing_it_again(tmp_path: Path) -> None:
    blobs = FolderStore(tmp_path / "blobs")
    digest = digest_of(b"weights")
    blobs.put(b"weights", digest)
    stored = blobs.path(digest)
    stored.chmod(0o600)
    stored.write_bytes(b"weighty")
    blobs.put(b"weights", digest)
    assert stored.read_bytes() == b"weights"


def test_stored_files_are_read_only(tmp_path: Path) -> None:
    blobs = FolderStore(tmp_path / "blobs")
    blobs.put(b"x", digest_of(b"x"))
    assert blobs.path(digest_of(b"x")).stat().st_mode & 0o777 == 0o440
    assert list(blobs.spool.iterdir()) == []
