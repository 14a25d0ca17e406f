"""Entries of the log by kind, model and version, and by the moment they were written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.tables_log import LogEntry


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is empty is not asked for."""

    kind: str = ""
    model: str = ""
    version: int = 0


def newest(
    session: Session, wanted: Wanted, *, before: int | None, limit: int
) -> Sequence[tuple[int, bytes]]:
    """The newest (index, leaf) that fit, newest first, below `before` if that is given."""
    statement = select(LogEntry.index, LogEntry.leaf).order_by(LogEntry.index.desc()).limit(limit)
    if wanted.kind:
        statement = statement.where(LogEntry.kind == wanted.kind)
    if wanted.model:
        statement = statement.where(LogEntry.model == wanted.model)
    if wanted.version:
        statement = statement.where(LogEntry.version == wanted.version)
    if before is not None:
        statement = statement.where(LogEntry.index < before)
    return [(index, leaf) for index, leaf in session.execute(statement)]


def size_at(session: Session, moment: datetime, *, size: int) -> int:
    """How many entries the log had at `moment`; entries stand in the order of their writing.

    Asks for some twenty rows by their key: there is no index by time, and none is needed.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        at = session.execute(
            select(LogEntry.at).where(LogEntry.index == middle)
        ).scalar_one_or_none()
        if at is not None and at <= moment:
            low = middle + 1
        else:
            high = middle
    return low
