"""Who is signed in with a browser, as rows."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry.db import tables_access


def find(session: Session, session_id: str) -> tables_access.Session | None:
    """The session with this id, over or not."""
    return session.get(tables_access.Session, session_id)


def is_answered(session: Session, attempt: bytes) -> bool:
    """Whether this sign-in has led to a session already."""
    table = tables_access.Session
    return session.scalar(select(table.id).where(table.attempt == attempt)) is not None


def end(session: Session, session_id: str) -> None:
    """Nobody is signed in by it any more; what is no session stays none."""
    table = tables_access.Session
    session.execute(delete(table).where(table.id == session_id))


def end_all(session: Session, issuer: str, subject: str) -> None:
    """The person is signed in nowhere any more."""
    table = tables_access.Session
    session.execute(delete(table).where(table.issuer == issuer, table.subject == subject))


def drop_old(session: Session, now: datetime) -> None:
    """Forget those that are over."""
    table = tables_access.Session
    session.execute(delete(table).where(table.expires_at <= now))
