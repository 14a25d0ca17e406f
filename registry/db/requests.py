"""What people asked of deployments, as rows."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import errors
from registry.core import asking
from registry.db.tables_requests import Request


def find(session: Session, request_id: str) -> Request | None:
    return session.get(Request, request_id)


def get(session: Session, request_id: str) -> Request:
    """Raises NotFound."""
    found = find(session, request_id)
    if found is None:
        raise errors.NotFound(f"no request {request_id[:40]!r}", fix="GET /v1/requests lists them")
    return found


def open_ones(session: Session, *, limit: int) -> Sequence[Request]:
    """Those that have no end, the oldest first."""
    statement = select(Request).where(Request.state.in_([*asking.OPEN]))
    return session.scalars(statement.order_by(Request.asked_at, Request.id).limit(limit)).all()


def open_one(session: Session, environment: str, name: str) -> Request | None:
    """That of the deployment which has no end, whenever it was asked."""
    place = (Request.environment == environment, Request.name == name)
    statement = select(Request).where(*place, Request.state.in_([*asking.OPEN]))
    return session.scalars(statement.limit(1)).first()


def due(session: Session, now: datetime) -> Sequence[Request]:
    """Open ones whose time is over."""
    is_open = Request.state.in_([*asking.OPEN])
    return session.scalars(select(Request).where(is_open, Request.expires_at <= now)).all()


def of(session: Session, environment: str, name: str, *, limit: int) -> Sequence[Request]:
    """Those of one deployment, the newest first."""
    place = (Request.environment == environment, Request.name == name)
    statement = select(Request).where(*place).order_by(Request.asked_at.desc(), Request.id)
    return session.scalars(statement.limit(limit)).all()
