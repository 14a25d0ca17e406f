"""One suite for all spools: files beside a folder of blobs, parts in an object store, encrypted."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from registry import errors
from registry.store.blobs import Stored
from tests.registry import spools
from tests.registry.publishing import digest_of
from tests.registry.spools import Replica

MIB = 1024**2
DATA = os.urandom(MIB)
LARGE = os.urandom(17 * MIB + 5)  # three parts in an object store


@pytest.fixture(params=["folder", "bucket", "encrypted folder", "encrypted bucket"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> str:
    is_folder = "folder" in kind
    return str(tmp_path / "blobs") if is_folder else request.getfixturevalue("bucket")


@pytest.fixture
def keys(kind: str, tmp_path: Path) -> Path | None:
    return tmp_path / "blobs.key" if "encrypted" in kind else None


@pytest.fixture
def one(address: str, keys: Path | None) -> Replica:
    return spools.replica(address, keys=keys)


@pytest.fixture
def other(address: str, keys: Path | None) -> Replica:
    return spools.replica(address, keys=keys)


def nothing_is_left(replica: Replica) -> bool:
    replica.uploads.expire(older_than=3600)
    return replica.uploads.spooled() == (0, 0)


@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "one byte", "17 MiB"])
def test_what_was_appended_becomes_a_blob(one: Replica, data: bytes) -> None:
    upload = one.uploads.begin()
    assert one.append(upload, data) == len(data)
    assert one.finish(upload, digest_of(data)) == Stored(digest_of(data), len(data))
    assert one.content(digest_of(data)) == data
    assert nothing_is_left(one)


def test_a_child_that_was_forked_meanwhile_does_not_keep_an_upload_locked(one: Replica) -> None:
    upload, inherited = one.uploads.begin(), []

    def inherit() -> None:
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):
                if upload in str(entry.readlink()):
                    inherited.append(os.dup(int(entry.name)))  # as a child has it until it execs

    async def forking() -> AsyncIterator[bytes]:
        inherit()
        yield DATA

    asyncio.run(one.uploads.append(upload, forking(), start=0, size=len(DATA)))
    try:
        assert one.finish(upload, digest_of(DATA)).size == len(DATA)
    finally:
        for descriptor in inherited:
            os.close(descriptor)


def test_an_upload_begun_at_one_replica_goes_on_at_another(one: Replica, other: Replica) -> None:
    upload = one.uploads.begin()
    half = 9 * MIB + 3
    assert one.append(upload, LARGE[:half]) == half
    assert other.uploads.offset(upload) == half
    assert other.append(upload, LARGE[half:], start=half) == len(LARGE)
    assert one.uploads.offset(upload) == len(LARGE)
    assert one.finish(upload, digest_of(LARGE)).size == len(LARGE)
    assert other.content(digest_of(LARGE)) == LARGE
    with pytest.raises(errors.NotFound):
        other.uploads.offset(upload)


def test_many_small_chunks_make_one_blob(one: Replica, other: Replica) -> None:
    upload = one.uploads.begin()
    for number, start in enumerate(range(0, 1000, 100)):
        replica = (one, other)[number % 2]
        assert replica.append(upload, DATA[start : start + 100], start=start) == start + 100
    assert other.finish(upload, digest_of(DATA[:1000])).size == 1000


def test_a_blob_can_be_kept_without_its_digest_being_said(one: Replica, other: Replica) -> None:
    upload = one.uploads.begin()
    one.append(upload, DATA)
    assert other.finish(upload) == Stored(digest_of(DATA), len(DATA))


def test_the_claim_is_made_before_the_bytes_have_their_name(one: Replica) -> None:
    upload = one.uploads.begin()
    one.append(upload, LARGE)
    seen: list[int | None] = []
    wanted = digest_of(LARGE)

    def claim(stored: Stored) -> None:
        with ThreadPoolExecutor(1) as elsewhere:
            seen.append(elsewhere.submit(one.blobs.size, stored.digest).result())

    one.uploads.finish(upload, wanted, claim)
    assert seen == [None]
    assert one.blobs.size(wanted) == len(LARGE)


def test_nothing_is_stored_where_the_claim_fails_and_the_upload_stays(one: Replica) -> None:
    upload = one.uploads.begin()
    one.append(upload, LARGE)

    def claim(_: Stored) -> None:
        raise errors.Unavailable("the database is away")

    with pytest.raises(errors.Unavailable):
        one.uploads.finish(upload, digest_of(LARGE), claim)
    assert list(one.blobs.digests()) == []
    assert one.finish(upload, digest_of(LARGE)).size == len(LARGE)


@pytest.mark.parametrize("finisher", ["the one that took the bytes", "another"])
@pytest.mark.parametrize("data", [DATA, LARGE], ids=["1 MiB", "17 MiB"])
def test_a_wrong_digest_is_refused_and_nothing_is_kept(
    one: Replica, other: Replica, finisher: str, data: bytes
) -> None:
    upload = one.uploads.begin()
    one.append(upload, data)
    replica = other if finisher == "another" else one
    with pytest.raises(errors.DigestMismatch):
        replica.finish(upload, digest_of(b"else"))
    assert replica.claims == []
    assert list(one.blobs.digests()) == []
    assert nothing_is_left(one)


@pytest.mark.parametrize("finisher", ["the one that took the bytes", "another"])
def test_a_wrong_digest_is_refused_where_there_is_such_a_blob_of_that_size(
    one: Replica, other: Replica, finisher: str
) -> None:
    known = os.urandom(len(DATA))
    one.blobs.put(known, digest_of(known))
    upload = one.uploads.begin()
    one.append(upload, DATA)
    with pytest.raises(errors.DigestMismatch):
        (other if finisher == "another" else one).finish(upload, digest_of(known))
    assert one.content(digest_of(known)) == known


def test_the_same_content_twice_is_stored_once_and_claimed_twice(
    one: Replica, other: Replica
) -> None:
    for replica in (one, other):
        upload = one.uploads.begin()
        one.append(upload, DATA)
        assert replica.finish(upload, digest_of(DATA)).size == len(DATA)
        assert replica.claims == [Stored(digest_of(DATA), len(DATA))]
    assert list(one.blobs.digests()) == [digest_of(DATA)]


@pytest.mark.parametrize("start", [0, 999, 1001, 5000])
def test_a_chunk_out_of_order_is_refused(one: Replica, other: Replica, start: int) -> None:
    upload = one.uploads.begin()
    one.append(upload, DATA[:1000])
    for replica in (one, other):
        with pytest.raises(errors.OutOfOrder, match="1000"):
            replica.append(upload, b"more", start=start, size=4)
    assert one.append(upload, DATA[1000:], start=1000) == len(DATA)


def test_an_upload_never_gets_larger_than_it_may(one: Replica) -> None:
    upload = one.uploads.begin()
    with pytest.raises(errors.TooLarge):
        one.append(upload, b"x", size=spools.MOST + 1)
    with pytest.raises(errors.TooLarge):
        one.append(upload, *[bytes(MIB)] * 33)
    assert one.uploads.offset(upload) <= spools.MOST


def test_what_came_before_the_sender_went_away_is_kept(one: Replica, other: Replica) -> None:
    upload = one.uploads.begin()
    with pytest.raises(ConnectionResetError):
        one.append(upload, LARGE[: 9 * MIB], b"", ConnectionResetError())
    offset = other.uploads.offset(upload)
    assert offset == 9 * MIB
    other.append(upload, LARGE[offset:], start=offset)
    assert other.finish(upload, digest_of(LARGE)).size == len(LARGE)


def test_of_two_writers_at_once_one_wins_and_the_other_is_told(
    one: Replica, other: Replica
) -> None:
    upload = one.uploads.begin()
    is_at_it, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield DATA[:1000]
        is_at_it.set()  # its first bytes were taken: it has seen an upload that nobody wrote to
        await may_end.wait()
        yield DATA[1000:]

    async def both() -> list[int | BaseException]:
        first = asyncio.create_task(one.uploads.append(upload, slow(), start=0, size=None))
        await asyncio.wait_for(is_at_it.wait(), 60)
        chunks = spools.flowing([b"another file's bytes"])
        second = asyncio.create_task(other.uploads.append(upload, chunks, start=0, size=None))
        await asyncio.wait([second])
        may_end.set()
        return list(await asyncio.gather(first, second, return_exceptions=True))

    outcomes = asyncio.run(both())
    assert [type(one) for one in outcomes if not isinstance(one, int)] == [errors.Conflict]
    assert one.uploads.offset(upload) in outcomes


def test_an_aborted_upload_leaves_nothing(one: Replica, other: Replica) -> None:
    upload = one.uploads.begin()
    one.append(upload, DATA)
    other.uploads.abort(upload)
    for ask in (one.uploads.offset, one.uploads.abort, one.finish, one.append):
        with pytest.raises(errors.NotFound):
            ask(upload)
    assert nothing_is_left(one)


@pytest.mark.parametrize("name", ["", "x", "A" * 32, "../../registry.db", "a" * 31, "a" * 32])
def test_an_upload_that_never_began_is_not_found(one: Replica, name: str) -> None:
    for ask in (one.uploads.offset, one.uploads.abort, one.finish, one.append):
        with pytest.raises(errors.NotFound):
            ask(name)
    assert list(one.blobs.digests()) == []


def test_uploads_nobody_touches_expire_and_blobs_stay(one: Replica, other: Replica) -> None:
    one.blobs.put(DATA, digest_of(DATA))
    upload = one.uploads.begin()
    one.append(upload, DATA)
    assert other.uploads.expire(older_than=3600) == 0
    assert other.uploads.spooled() == (1, len(DATA))
    assert other.uploads.expire(older_than=-5) == 1
    with pytest.raises(errors.NotFound):
        one.uploads.offset(upload)
    assert list(one.blobs.digests()) == [digest_of(DATA)]
    assert nothing_is_left(one)


@pytest.mark.parametrize("is_announced", [True, False])
@pytest.mark.parametrize("data", [b"", DATA, LARGE], ids=["empty", "1 MiB", "17 MiB"])
def test_a_blob_in_one_request_is_taken_whole(
    one: Replica, data: bytes, is_announced: bool
) -> None:
    digest = digest_of(data) if is_announced else None
    stored = one.take(data[: len(data) // 2], data[len(data) // 2 :], digest=digest, size=len(data))
    assert stored == Stored(digest_of(data), len(data))
    assert one.claims == [stored]
    assert one.content(stored.digest) == data
    assert nothing_is_left(one)


@pytest.mark.parametrize("is_announced", [True, False])
def test_of_a_request_that_broke_off_nothing_is_left(one: Replica, is_announced: bool) -> None:
    digest = digest_of(LARGE) if is_announced else None
    with pytest.raises(ConnectionResetError):
        one.take(LARGE[: 9 * MIB], ConnectionResetError(), digest=digest)
    assert one.claims == []
    assert list(one.blobs.digests()) == []
    assert nothing_is_left(one)


def test_a_blob_in_one_request_with_a_wrong_digest_is_refused(one: Replica) -> None:
    with pytest.raises(errors.DigestMismatch):
        one.take(LARGE, digest=digest_of(b"else"))
    assert one.claims == []
    assert list(one.blobs.digests()) == []
    assert nothing_is_left(one)


def test_a_blob_in_one_request_is_never_larger_than_it_may(one: Replica) -> None:
    with pytest.raises(errors.TooLarge):
        one.take(b"x", digest=digest_of(b"x"), size=spools.MOST + 1)
    with pytest.raises(errors.TooLarge):
        one.take(*[bytes(MIB)] * 33, digest=digest_of(bytes(33 * MIB)))
    assert list(one.blobs.digests()) == []
    assert nothing_is_left(one)


def test_many_at_once_with_the_same_content_all_succeed(one: Replica, other: Replica) -> None:
    async def push(replica: Replica) -> Stored:
        upload = await asyncio.to_thread(replica.uploads.begin)
        chunks = spools.flowing([LARGE])
        await replica.uploads.append(upload, chunks, start=0, size=len(LARGE))
        finish = replica.uploads.finish
        return await asyncio.to_thread(finish, upload, digest_of(LARGE), replica.claims.append)

    async def all_of_them() -> list[Stored]:
        return await asyncio.gather(*(push(replica) for replica in (one, other) * 3))

    assert asyncio.run(all_of_them()) == [Stored(digest_of(LARGE), len(LARGE))] * 6
    assert list(one.blobs.digests()) == [digest_of(LARGE)]
    assert one.content(digest_of(LARGE)) == LARGE
    assert nothing_is_left(one)
