"""Leases on all stored bytes: while one lasts, nobody removes any."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.db.tables_retention import Lease


def active(session: Session, now: datetime) -> Sequence[Lease]:
    """Those that last beyond `now`, oldest first."""
    statement = select(Lease).where(Lease.expires_at > now).order_by(Lease.taken_at)
    return session.scalars(statement).all()


def take(session: Session, lease: Lease) -> None:
    """Add it, and forget those that ended before it began."""
    session.execute(delete(Lease).where(Lease.expires_at <= lease.taken_at))
    session.add(lease)
    session.flush()


def renew(session: Session, lease_id: str, *, now: datetime, until: datetime) -> bool:
    """False where it ended in the meantime: then bytes may have gone."""
    renewed = session.execute(
        update(Lease)
        .where(Lease.id == lease_id, Lease.expires_at > now)
        .values(expires_at=until)
        .returning(Lease.id)
    )
    return renewed.first() is not None


def end(session: Session, lease_id: str) -> None:
    """Let go of it; nothing happens where it is gone."""
    session.execute(delete(Lease).where(Lease.id == lease_id))
