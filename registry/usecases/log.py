"""The append-only log: appends inside somebody's transaction, and answers to auditors.

Each append signs the new head in the same transaction, so no two signed checkpoints can
disagree: the one that lost the race is rolled back with everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from registry import errors
from registry.core import entries, merkle, tlog_proof
from registry.db import log as rows
from registry.db.engine import Session
from registry.db.tables_log import LogEntry
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


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, as entries carry it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def append(session: Session, registry: Registry, entry: entries.Entry, *, now: datetime) -> int:
    """Add `entry` and return its index; it counts once the caller commits."""
    head = rows.locked_head(session)
    index = head.size
    leaf = entries.encode(entry)
    known = rows.frontier(session, index)
    added = merkle.appended(index, leaf, lambda level, at: known[level, at])
    known |= {(level, at): value for level, at, value in added}
    root = merkle.root(index + 1, lambda level, at: known[level, at])
    checkpoint = sign.sign_checkpoint(head.origin, index + 1, root, registry.log_key)
    row = LogEntry(
        index=index,
        leaf=leaf,
        kind=entry.kind,
        model=entry.model or None,
        version=entry.version or None,
        at=now,
    )
    rows.add(session, row, added)
    rows.move_head(session, old_size=index, new_size=index + 1, checkpoint=checkpoint)
    return index


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
        return merkle.inclusion_proof(index, within, rows.subtrees(session))


def consistency(registry: Registry, old: int, new: int) -> list[bytes]:
    """The proof that the log of `new` entries extends the log of `old`."""
    with registry.database.reading() as session:
        total, _ = _head(session)
        if not 0 < old <= new <= total:
            raise errors.NotFound(
                f"no proof from {old} to {new} (the log has {total} entries)",
                fix="ask with 0 < from <= to <= size",
            )
        return merkle.consistency_proof(old, new, rows.subtrees(session))


def proof_file(registry: Registry, index: int) -> str:
    """The C2SP tlog-proof of one entry, which it carries with it; raises NotFound."""
    with registry.database.reading() as session:
        total, _ = _head(session)
        if not 0 <= index < total:
            raise errors.NotFound(
                f"no entry {index} in a log of {total}", fix="ask for an index below the size"
            )
        found = prove(session, index)
    return tlog_proof.encode(
        tlog_proof.Proof(found.index, tuple(found.hashes), found.checkpoint, found.leaf)
    )


def prove(session: Session, index: int) -> Proof:
    """The proof of one entry against the newest checkpoint."""
    size, signed = _head(session)
    leaf = rows.leaf(session, index)
    if leaf is None:
        raise errors.IntegrityError(f"the log has lost entry {index}")
    hashes = merkle.inclusion_proof(index, size, rows.subtrees(session))
    return Proof(index, leaf, hashes, signed)


def _head(session: Session) -> tuple[int, str]:
    head = rows.head(session)
    if head is None:
        raise errors.Unavailable("the log has not begun", fix="start the registry once")
    return head.size, head.checkpoint
