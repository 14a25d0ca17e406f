"""The Merkle log's rows: leaves, hashes of complete subtrees, and the head that every append moves.

`locked_head` is the first statement of every writing use case: on PostgreSQL its row lock is
what makes writers take turns, as BEGIN IMMEDIATE does on SQLite.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from registry import errors
from registry.core.merkle import Subtrees
from registry.db import trips
from registry.db.engine import APPENDED
from registry.db.prepared import Asked, Prepared
from registry.db.tables_log import LogEntry, LogHash, LogHead

_ONLY = 1
_TOGETHER = 100
_HELD = "log head"

# Every write passes here, so these are built once and speak of tables, not of objects.
_HEADS, _ENTRIES, _HASHES = (
    LogHead.metadata.tables[kind.__tablename__] for kind in (LogHead, LogEntry, LogHash)
)
_HEAD = (
    _HEADS.c.origin, _HEADS.c.size, _HEADS.c.checkpoint, _HEADS.c.cosigned, _HEADS.c.contradiction
)  # fmt: skip
_HEAD_ROW = select(*_HEAD).where(_HEADS.c.id == _ONLY)
_READ_HEAD, _LOCK_HEAD = Prepared(_HEAD_ROW), Prepared(_HEAD_ROW.with_for_update())
_MOVE_HEAD = Prepared(
    update(_HEADS)
    .where(_HEADS.c.id == _ONLY, _HEADS.c.size == bindparam("old_size"))
    .values(size=bindparam("new_size"), checkpoint=bindparam("signed"))
    .returning(_HEADS.c.size)
)
_ADD_ENTRY, _ADD_HASHES = Prepared(insert(_ENTRIES)), Prepared(insert(_HASHES))
_READ_HASH = Prepared(
    select(_HASHES.c.hash).where(
        _HASHES.c.level == bindparam("level"), _HASHES.c.index == bindparam("index")
    )
)


@dataclass(frozen=True, slots=True)
class Head:
    """The log's name, how many leaves it has, and the signed note over them; see `LogHead`."""

    origin: str
    size: int
    checkpoint: str
    cosigned: str = ""
    contradiction: str = ""


def head(session: Session | Connection) -> Head | None:
    """The head as it is now; None before the first start has made one."""
    row = _READ_HEAD.row(session)
    return None if row is None else Head(*row)


def require_head(session: Session | Connection) -> Head:
    """The head as it is now; raises Unavailable before the first start has made one."""
    found = head(session)
    if found is None:
        raise errors.Unavailable("the log has not begun", fix="start the registry once")
    return found


def locked_head(session: Session) -> Head:
    """The head, held until this transaction ends; asking again costs nothing."""
    transaction, held = session.info.get(_HELD, (None, None))
    if isinstance(held, Head) and transaction is session.get_transaction():
        return held
    return _hold(session, _LOCK_HEAD.ask(session))


def lock_head(session: Session) -> None:
    """Lock the head with what else is asked together; `locked_head` gives it afterwards."""
    trips.afterwards(session, partial(_hold, session, _LOCK_HEAD.ask(session)))


def _hold(session: Session, asked: Asked) -> Head:
    (row,) = asked()
    locked = Head(*row)
    session.info[_HELD] = (session.get_transaction(), locked)
    return locked


def create_head(session: Session, *, origin: str, checkpoint: str) -> None:
    """The head of an empty log."""
    session.add(LogHead(id=_ONLY, origin=origin, size=0, checkpoint=checkpoint))


def move_head(session: Session, *, old_size: int, new_size: int, checkpoint: str) -> None:
    """Compare-and-swap from `old_size`; raises Conflict where another writer moved it."""
    held = locked_head(session)
    asked = _MOVE_HEAD.ask(
        session, {"old_size": old_size, "new_size": new_size, "signed": checkpoint}
    )
    moved = replace(held, size=new_size, checkpoint=checkpoint)
    session.info[_HELD] = (session.get_transaction(), moved)
    trips.afterwards(session, partial(_require_moved, asked))


def _require_moved(asked: Asked) -> None:
    if not asked():
        raise errors.Conflict("another writer appended to the log first", fix="try again")


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf, and what it is filed under: the table's columns, all of them."""

    index: int
    leaf: bytes
    kind: str
    model: str | None
    version: int | None
    at: datetime
    actor_role: str | None
    actor_name: str | None
    host: str | None
    deployment: str | None


def add(
    session: Session, entries: Sequence[Entry], hashes: Iterable[tuple[int, int, bytes]]
) -> None:
    """Insert leaves and the (level, index, hash) of the subtrees that they complete."""
    _ADD_ENTRY.write(
        session, [{name: getattr(entry, name) for name in Entry.__slots__} for entry in entries]
    )
    session.info.setdefault(APPENDED, []).extend(entry.kind for entry in entries)
    rows = [{"level": level, "index": index, "hash": value} for level, index, value in hashes]
    _ADD_HASHES.write(session, rows)


def frontier(session: Session, size: int) -> dict[tuple[int, int], bytes]:
    """The complete subtrees that a log of `size` is cut into: all an append needs."""
    return _hashes(session, frontier_places(size))


def frontier_places(size: int) -> list[tuple[int, int]]:
    """Where they are: (level, index)."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]


def _hashes(session: Session, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    if not wanted:
        return {}
    values = {f"l{n}": level for n, (level, _) in enumerate(wanted)}
    values |= {f"i{n}": index for n, (_, index) in enumerate(wanted)}
    rows = _read_hashes(len(wanted)).rows(session, values)
    return {(level, index): value for level, index, value in rows}


def some_hashes(
    session: Session, wanted: Iterable[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """The hashes at these (level, index); raises IntegrityError where one is missing."""
    left, found = list(wanted), dict[tuple[int, int], bytes]()
    for start in range(0, len(left), _TOGETHER):
        found |= _hashes(session, left[start : start + _TOGETHER])
    if missing := set(left) - found.keys():
        raise errors.IntegrityError(f"the log has lost its hash {min(missing)}")
    return found


@cache
def _read_hashes(count: int) -> Prepared:
    """So many hashes by their places.

    SQLite looks each of these up in the index; for a list of pairs it would read the whole table.
    """
    table = _HASHES.c
    places = (
        and_(table.level == bindparam(f"l{n}"), table.index == bindparam(f"i{n}"))
        for n in range(count)
    )
    return Prepared(select(table.level, table.index, table.hash).where(or_(*places)))


def subtrees(session: Session) -> Subtrees:
    """Look-ups for `registry.core.merkle`'s proofs."""

    def find(level: int, index: int) -> bytes:
        row = _READ_HASH.row(session, {"level": level, "index": index})
        if row is None:
            raise errors.IntegrityError(f"the log has lost its hash ({level}, {index})")
        value: bytes = row[0]
        return value

    return find


def proof(session: Session, made: Callable[[Subtrees], list[bytes]]) -> list[bytes]:
    """What `made` makes of the tree's hashes, which are read in one go.

    It is run twice: to find out which hashes it asks for, and with them.
    """
    wanted: set[tuple[int, int]] = set()

    def ask(level: int, index: int) -> bytes:
        wanted.add((level, index))
        return b""

    made(ask)
    found = some_hashes(session, wanted)
    return made(lambda level, index: found[level, index])


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


def some_leaves(session: Session, indexes: Sequence[int]) -> dict[int, bytes]:
    """The leaves at these places, as far as they are there."""
    rows = session.execute(select(LogEntry.index, LogEntry.leaf).where(LogEntry.index.in_(indexes)))
    return {index: data for index, data in rows}  # noqa: C416  rows are not yet tuples


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
