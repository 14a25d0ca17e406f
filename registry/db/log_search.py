"""Entries of the log by what they say, and by the moment they were written.

Every way to ask has an index that ends in the log's order, so a page is read from where the one
before it ended. Where several things are asked for at once, the rarest of them leads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.core import entries
from registry.db.prepared import Prepared
from registry.db.tables import Variant
from registry.db.tables_evidence import Evidence
from registry.db.tables_log import LogEntry

# What has fewer entries than this is rare enough: it is not counted further.
FEW = 1000

Found = Select[int, bytes]
Said = dict[str, str | int]
# The columns that an index begins with.
_WAYS = (("deployment",), ("host",), ("actor_name",), ("model", "version"), ("model",), ("kind",))

# Asked for some twenty times by who asks for a moment.
_ENTRIES = LogEntry.metadata.tables[LogEntry.__tablename__]
_READ_TIME = Prepared(select(_ENTRIES.c.at).where(_ENTRIES.c.index == bindparam("place")))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is empty is not asked for.

    `actors` are names, or `role:name`; `signers` those who signed what an entry records. Of both
    together any one is enough.
    """

    kind: str = ""
    model: str = ""
    version: int = 0
    host: str = ""
    deployment: str = ""
    actors: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """From entry `start` up to `stop`, which is left out; None goes on to the end."""

    start: int = 0
    stop: int | None = None


def newest(
    session: Session, wanted: Wanted, span: Span, *, limit: int
) -> Sequence[tuple[int, bytes]]:
    """The newest (index, leaf) in the span that fit, newest first."""
    # One entry may be somebody's by what they did and by what they signed.
    found: dict[int, bytes] = {}
    for page in _statements(session, wanted, span, limit):
        found |= {index: leaf for index, leaf in session.execute(page)}  # noqa: C416  not tuples
    return sorted(found.items(), reverse=True)[:limit]


def is_actor(session: Session, name: str) -> bool:
    """Whether the log has anything of somebody called so."""
    statement = select(literal(1)).where(LogEntry.actor_name == name).limit(1)
    return session.execute(statement).first() is not None


def is_signer(session: Session, name: str) -> bool:
    """Whether somebody of this name in the trust root signed anything that is still here."""
    statements = (
        select(literal(1)).where(Evidence.signer == name).limit(1),
        select(literal(1)).where(Variant.publisher == name).limit(1),
    )
    return any(session.execute(one).first() is not None for one in statements)


def not_filed(session: Session, *, limit: int) -> Sequence[tuple[int, bytes]]:
    """Entries that a release before wrote, which knew nothing of who and where."""
    statement = _found().where(LogEntry.actor_name.is_(None)).limit(limit)
    return [(index, leaf) for index, leaf in session.execute(statement)]


def file(session: Session, index: int, values: Mapping[str, str | None]) -> None:
    """Set the columns by which one entry is found."""
    session.execute(update(LogEntry).where(LogEntry.index == index).values(**values))


def size_at(session: Session, moment: datetime, *, size: int) -> int:
    """How many entries the log had at `moment`; entries stand in the order of their writing.

    Asks for some twenty rows by their key: there is no index by time, and none is needed.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        row = _READ_TIME.row(session, {"place": middle})
        if row is not None and row[0] <= moment:
            low = middle + 1
        else:
            high = middle
    return low


def _statements(session: Session, wanted: Wanted, span: Span, limit: int) -> Iterator[Found]:
    """A page for each name by which somebody is asked for, or the one where nobody is."""
    said = _said(wanted)

    def page(statement: Found, order: InstrumentedAttribute[int]) -> Found:
        return statement.where(*_within(order, span)).order_by(order.desc()).limit(limit)

    if not wanted.actors and not wanted.signers:
        yield page(_found().where(*_led(session, said)), LogEntry.index)
    for actor in wanted.actors:
        role, name = entries.role_and_name(actor)
        asked = said | {"actor_name": name} | ({"actor_role": role} if role else {})
        yield page(_found().where(*_led(session, asked)), LogEntry.index)
    theirs = _found().where(*(_beside(name, value) for name, value in said.items()))
    for signer in wanted.signers:
        signed = theirs.join(Evidence, Evidence.log_index == LogEntry.index)
        yield page(signed.where(Evidence.signer == signer), Evidence.log_index)
        published = theirs.join(Variant, Variant.log_index == LogEntry.index)
        yield page(published.where(Variant.publisher == signer), Variant.log_index)


def _found() -> Found:
    return select(LogEntry.index, LogEntry.leaf)


def _said(wanted: Wanted) -> Said:
    names = ("deployment", "host", "model", "version", "kind")
    return {name: value for name in names if (value := getattr(wanted, name))}


def _within(order: InstrumentedAttribute[int], span: Span) -> list[ColumnElement[bool]]:
    found = [order >= span.start] if span.start else []
    return found if span.stop is None else [*found, order < span.stop]


def _led(session: Session, said: Said) -> list[ColumnElement[bool]]:
    """All that is said as conditions, of which a database can look up the rarest alone.

    SQLite knows of no column how often a value is there, and would take any index that fits.
    """
    ways = [way for way in _WAYS if said.keys() >= {*way}]
    if "version" in said and "model" in said:
        ways.remove(("model",))
    counted = len(ways) > 1
    leading = min(ways, key=lambda way: _count(session, way, said) if counted else 0, default=())
    return [
        _column(name) == value if name in leading else _beside(name, value)
        for name, value in said.items()
    ]


def _count(session: Session, way: Sequence[str], said: Said) -> int:
    """How many entries there are, up to `FEW`: the index alone tells."""
    conditions = and_(*(_column(name) == said[name] for name in way))
    some = select(LogEntry.index).where(conditions).limit(FEW).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def _beside(name: str, value: str | int) -> ColumnElement[bool]:
    """The same condition in a form that no index answers."""
    column = _column(name)
    plain: ColumnElement[Any] = column + 0 if isinstance(value, int) else column.concat("")
    return plain == value


def _column(name: str) -> InstrumentedAttribute[Any]:
    column: InstrumentedAttribute[Any] = getattr(LogEntry, name)
    return column
