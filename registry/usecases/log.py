"""The append-only log: appends inside somebody's transaction, and answers to auditors.

Each append signs the new head in the same transaction, so no two signed checkpoints can
disagree: the one that lost the race is rolled back with everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from registry import errors
from registry.core import entries, merkle, tlog_proof
from registry.db import log as rows
from registry.db import trips
from registry.db.engine import Session
from registry.trust import sign
from registry.usecases.opening import Registry

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Proof:
    """That `leaf` is entry `index` of the log that `checkpoint` signs."""

    index: int
    leaf: bytes
    hashes: Sequence[bytes]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry and its bytes; `at` is when it happened."""

    entry: entries.Entry
    data: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class View:
    """The log's first `size` entries, and the checkpoint over them."""

    size: int
    checkpoint: str


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as entries carry it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def leaf_of(entry: entries.Entry, *, now: datetime) -> Leaf:
    """`entry` as it will stand in the log; raises TooLarge."""
    return Leaf(entry, entries.encode(entry), now)


def append(session: Session, registry: Registry, entry: entries.Entry, *, now: datetime) -> int:
    """Add `entry` and return its index; it counts once the caller commits.

    Raises `LogForked` where the log's own signature on more than this was seen.
    """
    return append_all(session, registry, [leaf_of(entry, now=now)])


def append_all(session: Session, registry: Registry, leaves: Sequence[Leaf]) -> int:
    """Add all `leaves` under one signature, and return the index of the first; as `append`."""
    head = rows.locked_head(session)
    _require_whole(head)
    # The checkpoint says which tree it is: what this process computed of it need not be read.
    known = dict(registry.frontiers.get(head.checkpoint) or rows.frontier(session, head.size))
    hashes: list[tuple[int, int, bytes]] = []
    for index, leaf in enumerate(leaves, head.size):
        steps = merkle.appended(index, leaf.data, lambda level, at: known[level, at])
        known.update({(level, at): value for level, at, value in steps})
        hashes += steps
    size = head.size + len(leaves)
    root = merkle.root(size, lambda level, at: known[level, at])
    checkpoint = sign.sign_checkpoint(head.origin, size, root, registry.log_key)
    kept = {place: known[place] for place in rows.frontier_places(size)}
    registry.frontiers.put(checkpoint, kept)
    added = [_row(index, leaf) for index, leaf in enumerate(leaves, head.size)]
    with trips.as_one(session):
        rows.add(session, added, hashes)
        rows.move_head(session, old_size=head.size, new_size=size, checkpoint=checkpoint)
    return head.size


def _row(index: int, leaf: Leaf) -> rows.Entry:
    return rows.Entry(
        index=index,
        leaf=leaf.data,
        kind=leaf.entry.kind,
        model=leaf.entry.model or None,
        version=leaf.entry.version or None,
        at=leaf.at,
        **filed(leaf.entry),
    )


def filed(entry: entries.Entry) -> dict[str, str | None]:
    """Under what an entry is filed beside its kind, model and version; null where it says none."""
    role, name = entries.role_and_name(entry.actor)
    return {
        "actor_role": role,
        "actor_name": name,
        "host": entry.host or None,
        "deployment": entry.deployment or None,
    }


def _require_whole(head: rows.Head) -> None:
    if head.contradiction:
        raise errors.LogForked(
            f"nothing more is written: this log has {head.size} entries, and its key has signed "
            f"another log of {size_of(head.contradiction)}; the database is an old copy",
            fix="restore the newest backup; see docs/trust/log.md",
        )


def checkpoint(registry: Registry) -> str:
    """The signed note over the whole log."""
    with registry.database.reading() as session:
        return _head(session)[1]


def size(registry: Registry) -> int:
    """How many entries there are."""
    with registry.database.reading() as session:
        return _head(session)[0]


def page(registry: Registry, *, start: int, limit: int) -> tuple[int, Sequence[tuple[int, bytes]]]:
    """The log's size, and up to `limit` (index, leaf) from `start` on."""
    with registry.database.reading() as session:
        size, _ = _head(session)
        stop = min(size, start + min(limit, PAGE))
        return size, rows.leaves(session, start=start, stop=stop)


def inclusion(registry: Registry, index: int, size: int | None) -> list[bytes]:
    """The proof that entry `index` is in the log's first `size` entries (all, if None)."""
    with registry.database.reading() as session:
        total, _ = _head(session)
        within = total if size is None else size
        if not 0 <= index < within <= total:
            raise errors.NotFound(
                f"no entry {index} in a log of {within} (the log has {total})",
                fix="ask for an index below the size, and a size that the log has reached",
            )
        return rows.proof(session, partial(merkle.inclusion_proof, index, within))


def consistency(registry: Registry, old: int, new: int) -> list[bytes]:
    """The proof that the log of `new` entries extends the log of `old`."""
    with registry.database.reading() as session:
        total, _ = _head(session)
        if not 0 < old <= new <= total:
            raise errors.NotFound(
                f"no proof from {old} to {new} (the log has {total} entries)",
                fix="ask with 0 < from <= to <= size",
            )
        return rows.proof(session, partial(merkle.consistency_proof, old, new))


def proof_file(registry: Registry, index: int) -> str:
    """The C2SP tlog-proof of one entry, which it carries with it; raises NotFound.

    Against the cosigned checkpoint, once that covers the entry.
    """
    with registry.database.reading() as session:
        total, _ = _head(session)
        if not 0 <= index < total:
            raise errors.NotFound(
                f"no entry {index} in a log of {total}", fix="ask for an index below the size"
            )
        witnessed = cosigned(session)
        found = prove(session, index, witnessed if index < witnessed.size else None)
    return tlog_proof.encode(
        tlog_proof.Proof(found.index, tuple(found.hashes), found.checkpoint, found.leaf)
    )


def cosigned(session: Session) -> View:
    """The newest checkpoint that enough witnesses cosigned; of no entries before the first."""
    head = rows.require_head(session)
    return View(size_of(head.cosigned), head.cosigned) if head.cosigned else View(0, "")


def newest(session: Session) -> View:
    """The log as it is now."""
    return View(*_head(session))


def as_of(session: Session, registry: Registry, size: int) -> View:
    """The log's first `size` entries, signed as they were: what it says is the same each time."""
    known = rows.frontier(session, size)
    root = merkle.root(size, lambda level, at: known[level, at])
    origin = rows.require_head(session).origin
    return View(size, sign.sign_checkpoint(origin, size, root, registry.log_key))


def size_of(text: str) -> int:
    """The size in a note of our own."""
    return int(text.split("\n", 2)[1])


def prove(session: Session, index: int, within: View | None = None) -> Proof:
    """The proof of one entry in a view that has it, by default the newest."""
    size, signed = _head(session) if within is None else (within.size, within.checkpoint)
    leaf = rows.leaf(session, index)
    if leaf is None:
        raise errors.IntegrityError(f"the log has lost entry {index}")
    hashes = rows.proof(session, partial(merkle.inclusion_proof, index, size))
    return Proof(index, leaf, hashes, signed)


def prove_all(session: Session, indexes: Sequence[int], within: View) -> list[Proof]:
    """The proofs of several entries in a view that has them, in two statements."""
    size, signed = within.size, within.checkpoint
    leaves = rows.some_leaves(session, indexes)
    wanted: set[tuple[int, int]] = set()

    def note_down(level: int, index: int) -> bytes:
        wanted.add((level, index))
        return b""

    for index in indexes:
        if index not in leaves or index >= size:
            raise errors.IntegrityError(f"the log has lost entry {index}")
        merkle.inclusion_proof(index, size, note_down)
    known = rows.some_hashes(session, wanted)
    return [
        Proof(
            index,
            leaves[index],
            merkle.inclusion_proof(index, size, lambda level, at: known[level, at]),
            signed,
        )
        for index in indexes
    ]


def _head(session: Session) -> tuple[int, str]:
    head = rows.require_head(session)
    return head.size, head.checkpoint
