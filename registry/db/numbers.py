"""Counts for monitoring: each from an index or a small table, except for the sum over blobs."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.db.tables import Blob, Version


def pending_versions(session: Session) -> int:
    """Versions whose checks are not done yet."""
    statement = select(func.count()).select_from(Version).where(Version.status == "pending")
    return session.scalar(statement) or 0


def stored_blobs(session: Session) -> tuple[int, int]:
    """How many blobs there are, and their bytes; reads the whole table."""
    count, size = session.execute(
        select(func.count(), func.coalesce(func.sum(Blob.size), 0)).select_from(Blob)
    ).one()
    return int(count), int(size)
