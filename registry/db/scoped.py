"""What a scope covers, as a condition on a column of model names."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, false, or_, select, true
from sqlalchemy.orm import Session

from registry.core import like
from registry.core.scope import Scope
from registry.db.tables import Model

_MODELS = Model.metadata.tables[Model.__tablename__]


def project(session: Session, model: str) -> str:
    """The project that the model is in; empty for none, and where there is no such model."""
    found = session.execute(select(_MODELS.c.project).where(_MODELS.c.name == model))
    return found.scalar_one_or_none() or ""


def projects(session: Session, models: Iterable[str]) -> dict[str, str]:
    """The project of each of these models that there is."""
    statement = select(_MODELS.c.name, _MODELS.c.project).where(_MODELS.c.name.in_(set(models)))
    return {row.name: row.project for row in session.execute(statement)}


def covered(name: ColumnElement[Any], scope: Scope, *, is_sqlite: bool) -> ColumnElement[bool]:
    """That the model called `name` is within `scope`."""
    if scope.is_everything:
        return true()
    found = _fits(name, scope.models, is_sqlite=is_sqlite)
    if scope.projects:
        theirs = _fits(_MODELS.c.project, scope.projects, is_sqlite=is_sqlite)
        inside = select(_MODELS.c.name).where(_MODELS.c.project != "", theirs)
        found = or_(found, name.in_(inside))
    return found


def _fits(
    column: ColumnElement[Any], globs: Iterable[str], *, is_sqlite: bool
) -> ColumnElement[bool]:
    # A scope's globs have no sign that means anything else in SQLite's.
    fitting = [
        column.bool_op("GLOB")(glob) if is_sqlite else column.like(_like(glob), escape=like.ESCAPE)
        for glob in globs
    ]
    return or_(false(), *fitting)


def _like(glob: str) -> str:
    return glob.replace("_", r"\_").replace("*", "%").replace("?", "_")
