"""Persons behind pseudonyms, as rows."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry.db.tables_access import Person


def of(session: Session, issuer: str, subject: str) -> Person | None:
    """The person whom `issuer` calls `subject`."""
    statement = select(Person).where(Person.issuer == issuer, Person.subject == subject)
    return session.scalars(statement).one_or_none()


def find(session: Session, pseudonym: str) -> Person | None:
    """Who is behind the pseudonym, if that is still known."""
    return session.get(Person, pseudonym)


def called(session: Session, text: str) -> Sequence[Person]:
    """Those with this pseudonym, subject, or name."""
    statement = select(Person).where(
        or_(Person.pseudonym == text, Person.subject == text, Person.known_as == text)
    )
    return session.scalars(statement.order_by(Person.first_seen_at)).all()
