"""The log backwards: the newest entries first, as somebody asks what became of something."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.db.tables_log import LogEntry


def before(session: Session, stop: int, *, limit: int) -> Sequence[tuple[int, bytes]]:
    """The last `limit` entries before `stop`, the newest first, as (index, leaf)."""
    statement = (
        select(LogEntry.index, LogEntry.leaf)
        .where(LogEntry.index < stop)
        .order_by(LogEntry.index.desc())
        .limit(limit)
    )
    return [(index, leaf) for index, leaf in session.execute(statement)]
