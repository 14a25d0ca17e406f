"""Models and versions as the MLflow dialect shows them: found by either name, read in batches."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session, defer, selectinload

from registry.core import mlflow
from registry.db import registrations
from registry.db.tables import READY, Alias, Model, ModelTag, Version
from registry.db.tables_artifacts import Registration

_TOGETHER = 500

T = TypeVar("T", ModelTag, Alias)


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version with its tags, metrics and parameters, and `name`, its model's display name."""

    name: str
    row: Version
    aliases: Sequence[str]
    registration: Registration | None


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model; `latest` is its newest version that is ready."""

    row: Model
    tags: Sequence[ModelTag]
    aliases: Sequence[Alias]
    latest: RegisteredVersion | None


def find_model(session: Session, name: str) -> Model | None:
    """By display name, else by slug; None for a deleted one too."""
    found = _named(session, name) or session.get(Model, name)
    return found if found is not None and found.deleted_at is None else None


def namesake(session: Session, name: str) -> Model | None:
    """Who has this name as display name or slug, deleted or not."""
    return _named(session, name) or session.get(Model, name)


def newest_ready(session: Session, model: str) -> Version | None:
    """The newest version that can be pulled."""
    return session.scalars(
        select(Version)
        .where(Version.model == model, Version.status == READY)
        .order_by(Version.version.desc())
        .limit(1)
    ).first()


def find_version(session: Session, model: str, number: int) -> Version | None:
    """Pending, ready or failed; None for one that is gone."""
    return session.scalars(
        select(Version).where(
            Version.model == model,
            Version.version == number,
            Version.status.in_(mlflow.STATUSES),
        )
    ).one_or_none()


def shown_versions(session: Session, model: str) -> Sequence[Version]:
    """All of a model that are pending, ready or failed."""
    return session.scalars(
        select(Version).where(Version.model == model, Version.status.in_(mlflow.STATUSES))
    ).all()


def drop_tags(session: Session, model: str) -> None:
    """Remove all tags of a model."""
    session.execute(delete(ModelTag).where(ModelTag.model == model))


def versions(session: Session, ids: Sequence[int]) -> list[RegisteredVersion]:
    """These versions in this order, as far as they are there."""
    found: dict[int, RegisteredVersion] = {}
    for start in range(0, len(ids), _TOGETHER):
        found |= _versions(session, ids[start : start + _TOGETHER])
    return [found[one] for one in ids if one in found]


def models(session: Session, slugs: Sequence[str]) -> list[RegisteredModel]:
    """These models in this order, as far as they are there."""
    rows = {row.name: row for row in session.scalars(select(Model).where(Model.name.in_(slugs)))}
    tags = _grouped(session.scalars(_of(ModelTag, slugs).order_by(ModelTag.key)))
    aliases = _grouped(session.scalars(_of(Alias, slugs).order_by(Alias.alias)))
    latest = _latest(session, slugs)
    return [
        RegisteredModel(rows[slug], tags.get(slug, ()), aliases.get(slug, ()), latest.get(slug))
        for slug in slugs
        if slug in rows
    ]


def _named(session: Session, name: str) -> Model | None:
    return session.scalars(select(Model).where(Model.display_name == name)).one_or_none()


def _latest(session: Session, slugs: Collection[str]) -> dict[str, RegisteredVersion]:
    newest = (
        select(Version.model, func.max(Version.version).label("number"))
        .where(Version.model.in_(slugs), Version.status == READY)
        .group_by(Version.model)
        .subquery()
    )
    ids = session.scalars(
        select(Version.id).join(
            newest, (Version.model == newest.c.model) & (Version.version == newest.c.number)
        )
    ).all()
    return {found.row.model: found for found in versions(session, ids)}


def _versions(session: Session, ids: Sequence[int]) -> dict[int, RegisteredVersion]:
    rows = session.scalars(
        select(Version)
        .where(Version.id.in_(ids))
        .options(
            defer(Version.card, raiseload=True),
            selectinload(Version.tags),
            selectinload(Version.metrics),
            selectinload(Version.parameters),
        )
        .execution_options(populate_existing=True)
    ).all()
    slugs = {row.model for row in rows}
    names = session.execute(select(Model.name, Model.display_name).where(Model.name.in_(slugs)))
    name_of = {slug: name for slug, name in names}  # noqa: C416  rows are no pairs
    pointing: dict[tuple[str, int], list[str]] = {}
    for alias in session.scalars(_of(Alias, slugs).order_by(Alias.alias)):
        pointing.setdefault((alias.model, alias.version), []).append(alias.alias)
    came_in = registrations.of(session, ids)
    return {
        row.id: RegisteredVersion(
            name_of[row.model],
            row,
            pointing.get((row.model, row.version), ()),
            came_in.get(row.id),
        )
        for row in rows
    }


def _of(kind: type[T], slugs: Collection[str]) -> Select[T]:
    return select(kind).where(kind.model.in_(slugs))


def _grouped(rows: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.model, []).append(row)
    return found
