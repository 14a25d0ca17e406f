"""The Merkle log's rows: leaves, hashes of complete subtrees, and the head that every append moves.

`locked_head` is the first statement of every writing use case: on PostgreSQL its row lock is
what makes writers take turns, as BEGIN IMMEDIATE does on SQLite.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from registry import errors
from registry.core.merkle import Subtrees
from registry.db.tables import LogEntry, LogHash, LogHead

_ONLY = 1


def head(session: Session) -> LogHead | None:
    """The head as it is now; None before the first start has made one."""
    return session.get(LogHead, _ONLY)


def locked_head(session: Session) -> LogHead:
    """The head, held until this transaction ends."""
    statement = select(LogHead).where(LogHead.id == _ONLY).with_for_update()
    return session.execute(statement.execution_options(populate_existing=True)).scalar_one()


def create_head(session: Session, *, origin: str, checkpoint: str) -> None:
    """The head of an empty log."""
    session.add(LogHead(id=_ONLY, origin=origin, size=0, checkpoint=checkpoint))


def move_head(session: Session, *, old_size: int, new_size: int, checkpoint: str) -> None:
    """Compare-and-swap from `old_size`; raises Conflict where another writer moved it."""
    moved = session.execute(
        update(LogHead)
        .where(LogHead.id == _ONLY, LogHead.size == old_size)
        .values(size=new_size, checkpoint=checkpoint)
        .returning(LogHead.id)
    )
    if moved.first() is None:
        raise errors.Conflict("another writer appended to the log first", fix="try again")


def add(session: Session, entry: LogEntry, hashes: Iterable[tuple[int, int, bytes]]) -> None:
    """Insert one leaf and the (level, index, hash) of the subtrees it completes."""
    session.add(entry)
    session.flush()
    rows = [{"level": level, "index": index, "hash": value} for level, index, value in hashes]
    session.execute(insert(LogHash), rows)


def frontier(session: Session, size: int) -> dict[tuple[int, int], bytes]:
    """The complete subtrees that a log of `size` is cut into: all an append needs."""
    wanted = [
        (level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1
    ]
    if not wanted:
        return {}
    rows = session.execute(
        select(LogHash.level, LogHash.index, LogHash.hash).where(
            tuple_(LogHash.level, LogHash.index).in_(wanted)
        )
    )
    return {(level, index): value for level, index, value in rows}


def subtrees(session: Session) -> Subtrees:
    """Look-ups for `registry.core.merkle`'s proofs."""

    def find(level: int, index: int) -> bytes:
        value = session.execute(
            select(LogHash.hash).where(LogHash.level == level, LogHash.index == index)
        ).scalar_one_or_none()
        if value is None:
            raise errors.IntegrityError(f"the log has lost its hash ({level}, {index})")
        return value

    return find


def row_of_hashes(session: Session, *, level: int, start: int, stop: int) -> bytes:
    """The hashes of one level from `start` up to `stop`, one after the other."""
    return b"".join(
        session.scalars(
            select(LogHash.hash)
            .where(LogHash.level == level, LogHash.index >= start, LogHash.index < stop)
            .order_by(LogHash.index)
        )
    )


def leaf(session: Session, index: int) -> bytes | None:
    """The bytes of one leaf."""
    return session.execute(
        select(LogEntry.leaf).where(LogEntry.index == index)
    ).scalar_one_or_none()


def leaves(session: Session, *, start: int, stop: int) -> Sequence[tuple[int, bytes]]:
    """(index, leaf) from `start` up to `stop`, in order."""
    rows = session.execute(
        select(LogEntry.index, LogEntry.leaf)
        .where(LogEntry.index >= start, LogEntry.index < stop)
        .order_by(LogEntry.index)
    )
    return [(index, data) for index, data in rows]


def latest(
    session: Session, *, limit: int, model: str | None = None, before: int | None = None
) -> Sequence[tuple[int, bytes]]:
    """The newest (index, leaf), newest first; of one model or all, below `before` if given."""
    statement = select(LogEntry.index, LogEntry.leaf).order_by(LogEntry.index.desc()).limit(limit)
    if model is not None:
        statement = statement.where(LogEntry.model == model)
    if before is not None:
        statement = statement.where(LogEntry.index < before)
    return [(index, data) for index, data in session.execute(statement)]


def counts(session: Session) -> dict[str, int]:
    """How many entries there are of each kind."""
    rows = session.execute(select(LogEntry.kind, func.count()).group_by(LogEntry.kind))
    return dict(rows.tuples().all())
