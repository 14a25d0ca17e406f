"""Legal holds, as rows: who may not let go of what."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables_retention import Hold


def get(session: Session, hold_id: int) -> Hold:
    """Raises NotFound."""
    found = session.get(Hold, hold_id)
    if found is None:
        raise errors.NotFound(f"no hold {hold_id}", fix="see `plimsoll admin hold list`")
    return found


def on(session: Session, model: str, version: int | None) -> Sequence[Hold]:
    """What holds this version now, or its whole model; `version` None: any part of the model."""
    statement = select(Hold).where(Hold.model == model, Hold.released_at.is_(None))
    if version is not None:
        statement = statement.where(or_(Hold.version.is_(None), Hold.version == version))
    return session.scalars(statement.order_by(Hold.id)).all()


def active(session: Session) -> Sequence[Hold]:
    """All that hold now, oldest first."""
    statement = select(Hold).where(Hold.released_at.is_(None)).order_by(Hold.id)
    return session.scalars(statement).all()


def page(session: Session, *, with_released: bool, after: int, limit: int) -> Sequence[Hold]:
    """Holds with an id above `after`, oldest first."""
    statement = select(Hold).where(Hold.id > after).order_by(Hold.id).limit(limit)
    if not with_released:
        statement = statement.where(Hold.released_at.is_(None))
    return session.scalars(statement).all()
