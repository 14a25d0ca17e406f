"""The claim on every blob that comes in, on both databases; and replicas that share all else."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from registry import errors
from registry.db import engine
from registry.db.tables import Blob
from registry.settings import Settings
from registry.store.uploads import Stored
from registry.usecases import batches, opening, transfers
from registry.usecases.claims import Claims
from registry.usecases.opening import Registry
from tests.registry import spools
from tests.registry.publishing import digest_of

DATA = b"weights" * 1000
DIGEST = digest_of(DATA)
LARGE = bytes(3 * 1024**2)
LONG_AGO = datetime.now(UTC) - timedelta(days=7)


def rows(registry: Registry) -> dict[str, Blob]:
    with registry.database.reading() as session:
        return {row.digest: row for row in session.scalars(select(Blob))}


def condemn(registry: Registry) -> None:
    """As a sweep does with all that nobody refers to."""
    with registry.database.writing() as session:
        session.execute(update(Blob).values(used_at=LONG_AGO, condemned_at=LONG_AGO))
        session.commit()


def take(registry: Registry, data: bytes, digest: str | None = None) -> Stored:
    chunks = spools.flowing([data[:5], data[5:]])
    return asyncio.run(transfers.take(registry, chunks, digest))


def upload(registry: Registry, data: bytes, digest: str | None = None) -> Stored:
    begun = transfers.begin(registry)
    asyncio.run(transfers.append(registry, begun, spools.flowing([data])))
    return transfers.finish(registry, begun, digest)


WAYS = {
    "in parts": upload,
    "in one request": take,
    "as a document": transfers.put,
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


@EVERY_WAY
def test_whatever_comes_in_is_claimed(registry: Registry, way: str) -> None:
    for data in (DATA, LARGE, b""):
        stored = WAYS[way](registry, data)
        assert stored == Stored(digest_of(data), len(data))
        assert registry.blobs.size(stored.digest) == len(data)
        row = rows(registry)[stored.digest]
        assert (row.size, row.condemned_at) == (len(data), None)


@EVERY_WAY
def test_what_comes_in_again_is_pardoned(registry: Registry, way: str) -> None:
    WAYS[way](registry, DATA)
    condemn(registry)
    WAYS[way](registry, DATA, DIGEST)
    [row] = rows(registry).values()
    assert row.condemned_at is None
    assert row.used_at > LONG_AGO
    assert transfers.size(registry, DIGEST) == len(DATA)


@EVERY_WAY
def test_what_is_not_what_it_was_said_to_be_is_neither_claimed_nor_stored(
    registry: Registry, way: str
) -> None:
    for data in (DATA, LARGE):
        with pytest.raises(errors.DigestMismatch):
            WAYS[way](registry, data, digest_of(b"else"))
    assert rows(registry) == {}
    assert list(registry.blobs.digests()) == []


@EVERY_WAY
def test_a_digest_of_no_form_is_refused(registry: Registry, way: str) -> None:
    with pytest.raises((errors.InvalidInput, errors.DigestMismatch)):
        WAYS[way](registry, DATA, "sha256:../../etc/passwd")
    assert rows(registry) == {}


def test_an_upload_whose_answer_was_lost_can_be_finished_again(registry: Registry) -> None:
    begun = transfers.begin(registry)
    asyncio.run(transfers.append(registry, begun, spools.flowing([DATA])))
    transfers.finish(registry, begun, DIGEST)
    condemn(registry)
    assert transfers.finish(registry, begun, DIGEST) == Stored(DIGEST, len(DATA))
    assert rows(registry)[DIGEST].condemned_at is None
    with pytest.raises(errors.NotFound):
        transfers.finish(registry, begun, digest_of(b"else"))
    with pytest.raises(errors.NotFound):
        transfers.finish(registry, begun)


def test_a_blob_that_is_here_can_be_held_and_another_cannot(registry: Registry) -> None:
    transfers.put(registry, DATA)
    condemn(registry)
    assert transfers.hold(registry, DIGEST)
    assert rows(registry)[DIGEST].condemned_at is None
    assert not transfers.hold(registry, digest_of(b"else"))
    assert set(rows(registry)) == {DIGEST}


@pytest.mark.parametrize("data", [DATA, LARGE], ids=["small", "large"])
def test_many_at_once_with_the_same_content_all_succeed(registry: Registry, data: bytes) -> None:
    async def all_of_them() -> list[Stored]:
        pushes = (transfers.take(registry, spools.flowing([data])) for _ in range(12))
        return await asyncio.gather(*pushes)

    assert asyncio.run(all_of_them()) == [Stored(digest_of(data), len(data))] * 12
    assert list(rows(registry)) == [digest_of(data)]
    assert list(registry.blobs.digests()) == [digest_of(data)]
    assert registry.uploads.spooled() == (0, 0)


@pytest.fixture
def replicas(database_url: str, bucket: str, tmp_path: Path) -> Iterator[list[Registry]]:
    """Two registries with one database and one object store, and nothing else of an upload."""
    settings = Settings(data_dir=tmp_path / "data", database_url=database_url, storage=bucket)
    opened = [opening.open_registry(settings) for _ in range(2)]
    yield opened
    for one in opened:
        one.close()


def test_an_upload_begun_at_one_replica_is_finished_at_another(replicas: list[Registry]) -> None:
    one, other = replicas
    begun = transfers.begin(one)
    half = len(LARGE) // 2
    asyncio.run(transfers.append(one, begun, spools.flowing([LARGE[:half]])))
    assert transfers.offset(other, begun) == half
    asyncio.run(transfers.append(other, begun, spools.flowing([LARGE[half:]]), start=half))
    assert transfers.finish(one, begun, digest_of(LARGE)).size == len(LARGE)
    assert transfers.finish(other, begun, digest_of(LARGE)).size == len(LARGE)
    assert set(rows(other)) == {digest_of(LARGE)}


def test_a_document_is_never_larger_than_a_file_may_be(registry: Registry) -> None:
    limits = replace(registry.settings.limits, max_file_bytes=3)
    small = replace(registry, settings=replace(registry.settings, limits=limits))
    with pytest.raises(errors.TooLarge):
        transfers.put(small, b"four")
    with pytest.raises(errors.TooLarge):
        take(small, b"four, and more")
    assert rows(registry) == {}


def test_claims_that_the_database_does_not_take_fail_for_each_who_made_one(tmp_path: Path) -> None:
    claims = Claims(engine.connect(f"sqlite:///{tmp_path}/no/such/folder/registry.db"))
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(claims.make, Stored(DIGEST, number)) for number in range(8)]
    for one in made:
        with pytest.raises(errors.Unavailable):
            one.result()


def framed(*blobs: bytes) -> bytes:
    return b"".join(f"{digest_of(data)} {len(data)}\n".encode() + data for data in blobs)


def take_all(registry: Registry, content: bytes, cut: int = 1000) -> list[Stored]:
    chunks = [content[at : at + cut] for at in range(0, len(content), cut)]
    return asyncio.run(batches.take(registry, spools.flowing(chunks)))


@pytest.mark.parametrize("cut", [1, 100, 10**9])
def test_many_small_blobs_come_in_one_request(registry: Registry, cut: int) -> None:
    blobs = [b"", b"a", *(str(number).encode() * number for number in range(40)), b"\n" * 300]
    stored = take_all(registry, framed(*blobs), cut)
    assert stored == [Stored(digest_of(data), len(data)) for data in blobs]
    assert set(registry.blobs.digests()) == set(rows(registry)) == {digest_of(b) for b in blobs}


def test_of_many_blobs_those_before_a_wrong_one_are_kept(registry: Registry) -> None:
    wrong = framed(DATA)[:-1] + b"x"
    for rest in (b"", framed(b"later")):
        with pytest.raises(errors.DigestMismatch):
            take_all(registry, framed(b"before") + wrong + rest)
    assert transfers.size(registry, digest_of(b"before")) == 6
    assert transfers.size(registry, DIGEST) is None


def test_what_came_whole_before_a_request_broke_off_is_kept(registry: Registry) -> None:
    with pytest.raises(errors.InvalidInput, match="ends 4 bytes before its last blob"):
        take_all(registry, framed(b"before", DATA)[:-4])
    assert set(registry.blobs.digests()) == set(rows(registry)) == {digest_of(b"before")}


def test_blobs_beyond_one_group_are_all_kept(registry: Registry) -> None:
    blobs = [str(number).encode() for number in range(600)]
    stored = take_all(registry, framed(*blobs))
    assert [one.digest for one in stored] == [digest_of(one) for one in blobs]
    assert set(registry.blobs.digests()) == {digest_of(one) for one in blobs}


def test_a_request_of_many_blobs_that_breaks_the_form_is_refused(registry: Registry) -> None:
    for content in (
        b"\n",
        b"x",
        f"{DIGEST}\n".encode(),
        f"{DIGEST} -1\n".encode(),
        f"{DIGEST} 5\nabc".encode(),
        f"{DIGEST} 5".encode(),
        b"x" * 100_000,
        framed(b"a") + b"\n" + framed(b"b"),
    ):
        with pytest.raises(errors.InvalidInput):
            take_all(registry, content)
    with pytest.raises(errors.TooLarge):
        take_all(registry, f"{DIGEST} {batches.MOST_BYTES + 1}\n".encode())
    assert take_all(registry, b"") == []
