"""A log read leaf by leaf: its root, and what must have come with a version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import entries, merkle
from registry.core.entries import Entry, Kind
from registry.core.ledger import Ledger
from registry.errors import InvalidInput
from tests.core.publication import stored

DIGEST = "sha256:" + "1" * 64


def leaf(kind: Kind, version: int = 1, digest: str = DIGEST) -> bytes:
    return entries.encode(Entry("t", kind, "a", model="digits", version=version, digest=digest))


def read(*leaves: bytes) -> Ledger:
    found = Ledger()
    found.take(leaves)
    return found


def missing(found: Ledger, *shown: int, within: int = 99) -> list[int]:
    return found.withheld("digits", 1, DIGEST, within=within, shown=shown)


@given(st.integers(0, 70))
def test_its_root_is_the_logs(size: int) -> None:
    leaves = [leaf(Kind.PULLED, version=number + 1) for number in range(size)]
    assert read(*leaves).root == merkle.root(size, stored(leaves))


def test_every_revocation_and_the_newest_result_must_be_shown() -> None:
    found = read(
        leaf(Kind.PUBLISHED), leaf(Kind.APPROVED), leaf(Kind.REVOKED), leaf(Kind.ATTESTED),
        leaf(Kind.ATTESTED), leaf(Kind.REVOKED),
    )  # fmt: skip
    assert missing(found) == [2, 4, 5]
    assert missing(found, 2, 5) == [4]
    assert missing(found, 2, 4, 5) == []


def test_what_explains_a_version_does_not_stand_before_its_test_result() -> None:
    found = read(leaf(Kind.ATTESTED), leaf(Kind.EXPLAINED))
    assert missing(found, 1) == [0]


def test_what_is_about_another_version_or_came_later_need_not_be() -> None:
    found = read(leaf(Kind.REVOKED, version=2), leaf(Kind.REVOKED, digest="sha256:" + "2" * 64))
    assert missing(found) == []
    found.take([leaf(Kind.REVOKED)])
    assert missing(found, within=2) == []
    assert missing(found, within=3) == [2]


def test_an_alias_is_where_its_last_entry_has_it() -> None:
    def move(kind: Kind, version: int, alias: str = "champion") -> bytes:
        entry = Entry("t", kind, "a", model="digits", version=version, detail={"alias": alias})
        return entries.encode(entry)

    found = read(move(Kind.ALIAS_MOVED, 7), move(Kind.ALIAS_MOVED, 8), leaf(Kind.PULLED))
    assert found.alias("digits", "champion") == 8
    assert found.alias("digits", "other") is None
    assert found.alias("fraud", "champion") is None
    found.take([move(Kind.ALIAS_MOVED, 9, "other"), move(Kind.ALIAS_REMOVED, 8)])
    assert found.alias("digits", "champion") is None
    assert found.alias("digits", "other") == 9


def test_kinds_of_a_newer_release_are_passed_over_and_what_is_no_entry_is_not() -> None:
    found = read(b'{"actor":"a","kind":"dataset_added","time":"t"}', leaf(Kind.REVOKED))
    assert missing(found) == [1]
    with pytest.raises(InvalidInput):
        found.take([b"\xff"])
