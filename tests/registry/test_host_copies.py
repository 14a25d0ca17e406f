"""Copies for hosts: who gets which bytes, made once, never stored, and gone when they should be."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from registry import errors
from registry.core import canonical, entries
from registry.core.entries import Kind
from registry.core.watermark import records
from registry.db import host_copies
from registry.db.tables_host_copies import HostCopy, HostCopyFile
from registry.formats.marking import Patch
from registry.settings import Encryption, Watermark
from registry.usecases import (
    deletion,
    erasure,
    fingerprinted,
    hosts,
    log,
    opening,
    pull,
    watermark_keys,
)
from registry.usecases.access import Caller, Role
from registry.usecases.fingerprinted import _patches, patches_document
from registry.usecases.opening import Registry
from tests.registry import copies
from tests.registry.copies import CLEAR, EDGE_1, EDGE_2, ENCRYPTED, SMALL, model_of, pulled
from tests.registry.marking import files, originals
from tests.registry.publishing import ALICE, digest_of
from tests.registry.test_hosts import enrol

ROOT = Caller(Role.ADMIN, "root")


@pytest.fixture
def encryption() -> Encryption:
    return CLEAR


@pytest.fixture
def registry(tmp_path: Path, encryption: Encryption) -> Iterator[Registry]:
    """It marks, and gives hosts copies of their own: digits@1 is marked, digits@2 too small."""
    opened = opening.open_registry(copies.published(tmp_path / "data", encryption))
    yield opened
    opened.close()


both = pytest.mark.parametrize("encryption", [CLEAR, ENCRYPTED], ids=["clear", "encrypted"])


def read(registry: Registry, by: Caller, digest: str, span: tuple[int, int] | None = None) -> bytes:
    clear = fingerprinted.own(registry, by, digest)
    assert clear is not None

    async def joined() -> bytes:
        return b"".join([block async for block in clear.read(*(span or (0, clear.size)))])

    return asyncio.run(joined())


def count(registry: Registry) -> tuple[int, int]:
    with registry.database.reading() as session:
        rows = [
            session.scalars(select(func.count()).select_from(kind)).one()
            for kind in (HostCopy, HostCopyFile)
        ]
    return rows[0], rows[1]


def last_pull(registry: Registry) -> entries.Entry:
    _, leaves = log.page(registry, start=0, limit=1000)
    found = [entries.decode(leaf) for _, leaf in leaves]
    return [one for one in found if one.kind == Kind.PULLED][-1]


@both
def test_each_host_gets_files_of_its_own_and_the_log_says_which(registry: Registry) -> None:
    first, second, owners = (pulled(registry, by) for by in (EDGE_1, EDGE_2, ALICE))
    assert (first.recipient, second.recipient, owners.recipient) == ("edge-1", "edge-2", "")
    assert len({model_of(found).digest for found in (first, second, owners)}) == 3
    labels = {file.digest for found in (first, second) for file in found.files} - {
        model_of(first).digest,
        model_of(second).digest,
    }
    assert labels == {digest_of(files()["labels.txt"])}, "what carries no weights is everybody's"
    told = last_pull(registry)
    assert (told.host, told.detail) == (
        "edge-2",
        {"copy": records.content_digest(second.files)},
    )
    bytes_of = {read(registry, EDGE_1, model_of(first).digest)}
    bytes_of.add(read(registry, EDGE_2, model_of(second).digest))
    assert {digest_of(one) for one in bytes_of} == {
        model_of(first).digest,
        model_of(second).digest,
    }
    assert files()["model.onnx"] not in bytes_of


@both
def test_any_range_of_a_copy_is_that_of_the_whole(registry: Registry) -> None:
    digest = model_of(pulled(registry, EDGE_1)).digest
    whole = read(registry, EDGE_1, digest)
    size = len(whole)
    for start in (0, 1, 1000, size // 2, size - 3):
        for stop in (start + 1, min(start + 7, size), min(start + 40_001, size), size):
            assert read(registry, EDGE_1, digest, (start, stop)) == whole[start:stop]


def test_nobody_else_has_a_copy_of_this_host(registry: Registry) -> None:
    own = model_of(pulled(registry, EDGE_1)).digest
    pulled(registry, EDGE_2)
    with pytest.raises(errors.NotFound):
        fingerprinted.own(registry, EDGE_2, own)
    assert registry.blobs.size(own) is None, "no byte of a copy is stored"


def test_a_host_with_copies_of_its_own_gets_neither_the_owners_nor_the_original(
    registry: Registry,
) -> None:
    owners = pulled(registry, ALICE)
    with pytest.raises(errors.Forbidden, match="only as a copy of its own"):
        fingerprinted.own(registry, EDGE_1, model_of(owners).digest)
    for source in originals(registry):
        if source.path == "model.onnx":
            with pytest.raises(errors.NotFound):
                fingerprinted.own(registry, EDGE_1, source.digest)
        else:
            assert fingerprinted.own(registry, EDGE_1, source.digest) is None


def test_two_pulls_of_one_host_at_once_make_one_pass(registry: Registry) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: pulled(registry, EDGE_1).files, range(6)))
    assert len(set(found)) == 1
    assert registry.workshop.made.copies == 1
    assert registry.workshop.in_hand == 0


def test_another_replica_gives_the_same_copy_and_the_first_has_signed_it(
    registry: Registry,
) -> None:
    other = opening.open_registry(registry.settings)
    try:
        here = pull.bundle(registry, pull.Asked("digits", 1), EDGE_1)
        there = pull.bundle(other, pull.Asked("digits", 1), EDGE_1)
        assert (
            canonical.decode_object(here, what="")["copy"]
            == (canonical.decode_object(there, what="")["copy"])
        )
        with registry.database.writing() as session:
            host_copies.drop_host(session, "edge-1")
            session.commit()
        assert pulled(other, EDGE_1).files == pulled(registry, EDGE_1).files
        digest = model_of(pulled(other, EDGE_1)).digest
        assert read(other, EDGE_1, digest) == read(registry, EDGE_1, digest)
    finally:
        other.close()


def test_of_two_replicas_that_make_one_copy_at_once_the_later_takes_the_earliers(
    registry: Registry,
) -> None:
    pulled(registry, EDGE_1)
    with registry.database.writing() as session:
        known = session.scalars(select(HostCopy)).one()
        late = HostCopy(
            variant_id=known.variant_id,
            host=known.host,
            content=known.content,
            created_at=known.created_at,
            bundle=b"another signature",
        )
        assert host_copies.add(session, late, []) is known


class Failing:
    """A store that stops answering after some reads."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self.left = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stored, name)

    def open(self, _digest: str) -> None:
        return None

    async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
        async for block in self._stored.read(digest, start, stop):
            for at in range(0, len(block), 1024):
                if not self.left:
                    raise errors.Unavailable("the store is away")
                self.left -= 1
                yield block[at : at + 1024]


@both
def test_what_breaks_off_in_the_middle_leaves_nothing_and_is_begun_anew(
    registry: Registry,
) -> None:
    failing = Failing(registry.blobs)
    failing.left = 5
    broken = replace(registry, blobs=failing)
    with pytest.raises(errors.Unavailable, match="the store is away"):
        pull.bundle(broken, pull.Asked("digits", 1), EDGE_1)
    assert count(registry) == (0, 0)
    with pytest.raises(IndexError):
        last_pull(registry)
    failing.left = 10_000
    found = pulled(broken, EDGE_1)
    assert digest_of(read(broken, EDGE_1, model_of(found).digest)) == model_of(found).digest


def test_a_copy_of_what_went_while_it_was_made_is_not_kept(
    registry: Registry,
) -> None:
    class Erasing(Failing):
        async def read(self, digest: str, start: int, stop: int) -> AsyncIterator[bytes]:
            deletion.delete_version(registry, "digits", 1, ROOT)
            async for block in self._stored.read(digest, start, stop):
                yield block

    losing = replace(registry, blobs=Erasing(registry.blobs))
    with pytest.raises(errors.Gone, match="was removed while its copy was made"):
        pull.bundle(losing, pull.Asked("digits", 1), EDGE_1)
    assert count(registry) == (0, 0)


ENDS: dict[str, Callable[[Registry], object]] = {
    "erased": lambda registry: erasure.erase(
        registry, model="digits", version=1, reason="asked to", by=ROOT
    ),
    "deleted": lambda registry: deletion.delete_version(registry, "digits", 1, ROOT),
    "revoked": lambda registry: hosts.revoke(registry, "edge-1", reason="stolen", by=ROOT),
}


@pytest.mark.parametrize("end", ENDS)
def test_with_the_version_or_the_host_its_copy_goes(registry: Registry, end: str) -> None:
    enrol(registry, "edge-1")
    digest = model_of(pulled(registry, EDGE_1)).digest
    assert count(registry) == (1, 1)
    ENDS[end](registry)
    assert count(registry) == (0, 0)
    with pytest.raises(errors.NotFound):
        fingerprinted.own(registry, EDGE_1, digest)
    with pytest.raises((errors.Gone, errors.Forbidden)):
        pull.bundle(registry, pull.Asked("digits", 1), EDGE_1)


def test_a_rotated_key_changes_no_copy_of_what_was_marked_before(registry: Registry) -> None:
    before = pulled(registry, EDGE_1)
    content = read(registry, EDGE_1, model_of(before).digest)
    watermark_keys.rotate(registry, ROOT)
    registry.workshop.recipes.clear()
    assert pulled(registry, EDGE_1).files == before.files
    assert read(registry, EDGE_1, model_of(before).digest) == content
    assert pulled(registry, EDGE_2).recipient == "edge-2"


def test_a_model_too_small_for_a_mark_goes_out_as_it_is_and_the_log_says_so(
    registry: Registry,
) -> None:
    found = pulled(registry, EDGE_1, 2)
    assert (found.recipient, model_of(found).digest) == ("", digest_of(SMALL["model.onnx"]))
    assert fingerprinted.own(registry, EDGE_1, digest_of(SMALL["model.onnx"])) is None
    assert last_pull(registry).detail == {"unmarked": "digits@2 carries no watermark"}


def test_where_copies_are_required_it_does_not_go_out(registry: Registry) -> None:
    strict = replace(
        registry, settings=replace(registry.settings, watermark=Watermark("on", "required"))
    )
    with pytest.raises(errors.PolicyDenied, match="digits@2 carries no watermark"):
        pull.bundle(strict, pull.Asked("digits", 2), EDGE_1)
    assert pulled(strict, EDGE_1).recipient == "edge-1"


def test_where_copies_are_off_a_host_gets_the_versions_files(registry: Registry) -> None:
    off = replace(registry, settings=replace(registry.settings, watermark=Watermark("on")))
    found = pulled(off, EDGE_1)
    assert found.files == pulled(off, ALICE).files
    assert fingerprinted.own(off, EDGE_1, model_of(found).digest) is None
    assert not last_pull(off).detail


def test_the_checksums_of_a_copy_come_back_as_they_were() -> None:
    patches = [Patch("a", 5, b"\x00\xff\x10\x20"), Patch("a", 90, b"abcd")]
    assert _patches("a", patches_document(patches)) == patches
    for bad in (b"", b"{}", b'{"patches": [["x", "AAAA"]]}', b'{"patches": [[1, "?"]]}'):
        with pytest.raises((errors.InvalidInput, errors.IntegrityError)):
            _patches("a", bad)
