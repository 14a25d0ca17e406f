"""The log's tree against a second, naive reading of RFC 6962."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import merkle
from registry.errors import IntegrityError


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def stored(leaves: list[bytes]) -> merkle.Subtrees:
    found: dict[tuple[int, int], bytes] = {}
    for index, leaf in enumerate(leaves):
        for level, place, value in merkle.appended(index, leaf, lambda lv, i: found[lv, i]):
            found[level, place] = value
    return lambda level, index: found[level, index]


def numbered(count: int) -> list[bytes]:
    return [b"entry %d" % index for index in range(count)]


def test_root_of_rfc_6962_reference_leaves() -> None:
    leaves = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243")]
    leaves += [bytes.fromhex("5051525354555657"), bytes.fromhex("606162636465666768696a6b6c6d6e6f")]
    expected = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert merkle.root(8, stored(leaves)).hex() == expected


@given(st.integers(0, 70))
def test_root_equals_the_naive_definition(size: int) -> None:
    leaves = numbered(size)
    assert merkle.root(size, stored(leaves)) == naive_root(leaves)


@given(st.data())
def test_every_entry_can_be_proven_and_no_other_leaf_can(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    leaves = numbered(size)
    proof = merkle.inclusion_proof(index, size, stored(leaves))
    root = naive_root(leaves)
    merkle.check_inclusion(leaves[index], index, size, proof=proof, expected_root=root)
    with pytest.raises(IntegrityError):
        merkle.check_inclusion(b"forged", index, size, proof=proof, expected_root=root)
    wrong = [*proof, b"\0" * 32]
    with pytest.raises(IntegrityError):
        merkle.check_inclusion(leaves[index], index, size, proof=wrong, expected_root=root)


@given(st.data())
def test_growth_is_consistent_and_a_rewritten_past_is_not(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 70))
    old = data.draw(st.integers(1, new))
    leaves = numbered(new)
    proof = merkle.consistency_proof(old, new, stored(leaves))
    old_root, new_root = naive_root(leaves[:old]), naive_root(leaves)
    merkle.check_consistency((old, old_root), (new, new_root), proof)
    rewritten = naive_root([b"rewritten", *leaves[1:old]])
    with pytest.raises(IntegrityError):
        merkle.check_consistency((old, rewritten), (new, new_root), proof)


def test_a_log_that_shrank_is_refused() -> None:
    with pytest.raises(IntegrityError, match="shrank from 3 to 2"):
        merkle.check_consistency((3, b"a" * 32), (2, b"b" * 32), [])


@pytest.mark.parametrize("index", [-1, 5])
def test_an_index_outside_the_log_is_refused(index: int) -> None:
    with pytest.raises(IntegrityError, match="outside a log of 5"):
        merkle.check_inclusion(b"", index, 5, proof=[], expected_root=b"")
