"""The one clock by which leases last, however many replicas there are and whatever theirs say."""

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def now(session: Session) -> datetime:
    """PostgreSQL's own time at this moment; SQLite is one machine's, and so is its clock."""
    if session.get_bind().dialect.name == "postgresql":
        at: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        return at.astimezone(UTC)
    return datetime.now(UTC)
