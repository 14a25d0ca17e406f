"""The Merkle tree of the log: RFC 6962 hashes, and checks of inclusion and consistency proofs.

A tree of any size is cut into complete subtrees, the largest first. `Subtrees` looks one up by
(level, index): the root over leaves `index * 2**level` up to, not including,
`(index + 1) * 2**level`. Whoever stores those (`registry.db`, a list in a test) can compute
roots and proofs here in O(log n) look-ups.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

from registry.errors import IntegrityError

Subtrees: TypeAlias = Callable[[int, int], bytes]

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962 §2.1: SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 §2.1: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def completed(index: int) -> int:
    """How many levels above the leaf are completed by appending leaf `index`."""
    return (~index & (index + 1)).bit_length() - 1


def appended(index: int, leaf: bytes, subtrees: Subtrees) -> list[tuple[int, int, bytes]]:
    """The complete subtrees, as (level, index, hash), that appending `leaf` at `index` adds."""
    current = leaf_hash(leaf)
    added = [(0, index, current)]
    for level in range(completed(index)):
        current = node_hash(subtrees(level, (index >> level) - 1), current)
        added.append((level + 1, index >> (level + 1), current))
    return added


def root(size: int, subtrees: Subtrees) -> bytes:
    """The root over the first `size` leaves."""
    return _range_root(0, size, subtrees) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtrees: Subtrees) -> list[bytes]:
    """RFC 6962 §2.1.1, lowest sibling first; `0 <= index < size`."""
    return _path(index, 0, size, subtrees)


def consistency_proof(old: int, new: int, subtrees: Subtrees) -> list[bytes]:
    """RFC 6962 §2.1.2; `0 < old <= new`. Empty when `old == new`."""
    return _subproof(old, (0, new), subtrees, whole=True)


def check_inclusion(
    leaf: bytes, index: int, size: int, *, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """RFC 9162 §2.1.3.2; raises `IntegrityError` unless `leaf` is at `index` of that tree."""
    if not 0 <= index < size:
        raise IntegrityError(f"log proof is for entry {index}, outside a log of {size}")
    node, last, current = index, size - 1, leaf_hash(leaf)
    for sibling in proof:
        if last == 0:
            raise IntegrityError("log inclusion proof is too long")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
        else:
            current = node_hash(current, sibling)
        node, last = _parent(node, last)
    if last != 0 or current != expected_root:
        raise IntegrityError(f"log inclusion proof of entry {index} does not reach the signed root")


def check_consistency(
    old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]
) -> None:
    """RFC 9162 §2.1.4.2 on two (size, root); raises `IntegrityError` unless new extends old."""
    (old_size, old_root), (new_size, new_root) = old, new
    if old_size > new_size:
        raise IntegrityError(f"the log shrank from {old_size} to {new_size} entries")
    if old_size in {new_size, 0}:
        if proof or (old_size == new_size and old_root != new_root):
            raise IntegrityError(f"two different logs of {new_size} entries")
        return
    if _replayed(old_size, old_root, new_size, proof) != (old_root, new_root):
        raise IntegrityError(f"the log of {new_size} entries does not extend that of {old_size}")


def _replayed(
    old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise IntegrityError("log consistency proof is empty")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise IntegrityError("log consistency proof is too long")
        if node & 1 or node == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
        else:
            newer = node_hash(newer, sibling)
        node, last = _parent(node, last)
    if last != 0:
        raise IntegrityError("log consistency proof is too short")
    return older, newer


def _parent(node: int, last: int) -> tuple[int, int]:
    """Positions after one sibling; at the right edge, levels without a sibling are skipped."""
    if node == last:
        while not node & 1 and node:
            node, last = node >> 1, last >> 1
    return node >> 1, last >> 1


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (RFC 6962's k)."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_root(start: int, stop: int, subtrees: Subtrees) -> bytes:
    size = stop - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return subtrees(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range_root(start, middle, subtrees), _range_root(middle, stop, subtrees))


def _path(index: int, start: int, stop: int, subtrees: Subtrees) -> list[bytes]:
    if stop - start == 1:
        return []
    middle = start + _split(stop - start)
    if index < middle:
        return [*_path(index, start, middle, subtrees), _range_root(middle, stop, subtrees)]
    return [*_path(index, middle, stop, subtrees), _range_root(start, middle, subtrees)]


def _subproof(old: int, span: tuple[int, int], subtrees: Subtrees, *, whole: bool) -> list[bytes]:
    start, stop = span
    if old == stop:
        return [] if whole else [_range_root(start, stop, subtrees)]
    middle = start + _split(stop - start)
    if old <= middle:
        rest = _subproof(old, (start, middle), subtrees, whole=whole)
        return [*rest, _range_root(middle, stop, subtrees)]
    rest = _subproof(old, (middle, stop), subtrees, whole=False)
    return [*rest, _range_root(start, middle, subtrees)]
