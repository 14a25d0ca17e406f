"""Aliases as they stand, and every move they made."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import errors
from registry.db.tables import Alias, AliasChange


def find(session: Session, model: str, alias: str) -> Alias | None:
    """The alias, or None."""
    return session.get(Alias, (model, alias))


def get(session: Session, model: str, alias: str) -> Alias:
    """Raises NotFound."""
    found = find(session, model, alias)
    if found is None:
        raise errors.NotFound(f"model {model!r} has no alias {alias!r}")
    return found


def of_model(session: Session, model: str) -> Sequence[Alias]:
    """All aliases of a model, by name."""
    return session.scalars(select(Alias).where(Alias.model == model).order_by(Alias.alias)).all()


def history(
    session: Session, model: str, alias: str, *, before: int | None, limit: int
) -> Sequence[AliasChange]:
    """Moves, newest first, those before the one with the id `before`."""
    ours = (AliasChange.model == model, AliasChange.alias == alias)
    older = () if before is None else (AliasChange.id < before,)
    statement = select(AliasChange).where(*ours, *older).order_by(AliasChange.id.desc())
    return session.scalars(statement.limit(limit)).all()
