"""Models at a glance, in five statements however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import FromClause, func, select
from sqlalchemy.orm import Session

from registry.db.tables import Alias, Model, ModelTag, Variant, Version

T = TypeVar("T", ModelTag, Alias)

_MODELS: FromClause = Model.__table__
_VERSIONS: FromClause = Version.__table__
_VARIANTS: FromClause = Variant.__table__


@dataclass(frozen=True, slots=True)
class Newest:
    """A model's highest version; `format` is that of its first variant, null without one."""

    version: int
    status: str
    digest: str | None
    format: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """A model without its versions but the newest; `count` is how many there are."""

    model: Model
    tags: Sequence[ModelTag]
    aliases: Sequence[Alias]
    count: int
    newest: Newest | None


def load(session: Session, names: Sequence[str]) -> list[Summary]:
    """These models in this order, as far as they are there."""
    rows = {row.name: row for row in session.scalars(select(Model).where(Model.name.in_(names)))}
    tags, aliases = _of(session, ModelTag, names), _of(session, Alias, names)
    counts, newest = _counts(session, names), _newest(session, names)
    return [
        Summary(
            rows[name],
            tags.get(name, []),
            aliases.get(name, []),
            counts.get(name, 0),
            newest.get(name),
        )
        for name in names
        if name in rows
    ]


def _counts(session: Session, names: Sequence[str]) -> dict[str, int]:
    model = _VERSIONS.c.model
    statement = select(model, func.count()).where(model.in_(names)).group_by(model)
    return {name: count for name, count in session.execute(statement)}  # noqa: C416  rows are no pairs


def _newest(session: Session, names: Sequence[str]) -> dict[str, Newest]:
    version, variant = _VERSIONS, _VARIANTS
    other = version.alias()
    highest = select(func.max(other.c.version)).where(other.c.model == _MODELS.c.name)
    is_newest = (version.c.model == _MODELS.c.name) & (
        version.c.version == highest.correlate(_MODELS).scalar_subquery()
    )
    is_first = (variant.c.version_id == version.c.id) & (variant.c.digest == version.c.digest)
    rows = session.execute(
        select(
            version.c.model,
            version.c.version,
            version.c.status,
            version.c.digest,
            variant.c.format,
            version.c.created_at,
        )
        .select_from(_MODELS)
        .join(version, is_newest)
        .outerjoin(variant, is_first)
        .where(_MODELS.c.name.in_(names))
    )
    return {row[0]: Newest(*row[1:]) for row in rows}


def _of(session: Session, kind: type[T], names: Sequence[str]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    statement = select(kind).where(kind.model.in_(names)).order_by(*kind.__table__.primary_key)
    for row in session.scalars(statement):
        found.setdefault(row.model, []).append(row)
    return found
