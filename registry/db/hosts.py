"""Hosts, as rows: who is enrolled, and with which one-time tokens others may."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables_access import Enrolment, Host


def find(session: Session, name: str) -> Host | None:
    """The host, revoked or not; None where none of this name ever enrolled."""
    return session.get(Host, name)


def get(session: Session, name: str) -> Host:
    """Raises NotFound."""
    found = find(session, name)
    if found is None:
        raise errors.NotFound(
            f"no host {name[:80]!r} is enrolled", fix="see `plimsoll host list` for those that are"
        )
    return found


def page(session: Session, *, after: str, limit: int) -> Sequence[Host]:
    """Up to `limit` hosts whose names come after `after`, by name."""
    statement = select(Host).where(Host.name > after).order_by(Host.name).limit(limit)
    return session.scalars(statement).all()


def enrolment(session: Session, enrolment_id: str) -> Enrolment | None:
    """The one-time token with this id, used or not."""
    return session.get(Enrolment, enrolment_id)


def use(session: Session, enrolment_id: str, now: datetime) -> bool:
    """Whether it is this call that used the token up: of many at once, one does."""
    used = session.execute(
        update(Enrolment)
        .where(Enrolment.id == enrolment_id, Enrolment.used_at.is_(None))
        .values(used_at=now)
        .returning(Enrolment.id)
    )
    return used.first() is not None


def withdraw(session: Session, host: str) -> None:
    """No token that is still unused enrols this host any more."""
    session.execute(delete(Enrolment).where(Enrolment.host == host, Enrolment.used_at.is_(None)))
