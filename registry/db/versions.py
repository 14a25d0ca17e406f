"""Models and their versions, loaded whole or bare, and how they come to be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session, defer, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from registry import errors
from registry.db.ids import NextId
from registry.db.prepared import Asked, Prepared
from registry.db.tables import (
    File,
    Model,
    ModelTag,
    Variant,
    Version,
)

_HEAVY = (
    Variant.manifest,
    Variant.config,
    Variant.publisher_bundle,
    Variant.registry_bundle,
)
_VERSIONS = Version.metadata.tables[Version.__tablename__]
_MODELS = Model.metadata.tables[Model.__tablename__]
_VARIANTS = Model.metadata.tables[Variant.__tablename__]
# Of the version and of its first variant; given once, and lost where nothing comes of it.
_IDS = (NextId(_VERSIONS), NextId(_VARIANTS))
_FOLLOWING = Prepared(
    select(_MODELS.c.next_version).where(
        _MODELS.c.name == bindparam("model"), _MODELS.c.deleted_at.is_(None)
    )
)
_TAKE_NUMBER = Prepared(
    update(_MODELS)
    .where(_MODELS.c.name == bindparam("model"), _MODELS.c.next_version == bindparam("expected"))
    .values(next_version=bindparam("following"), updated_at=bindparam("now"))
    .returning(_MODELS.c.next_version, *_IDS)
)
_TAKE_NEXT = Prepared(
    update(_MODELS)
    .where(_MODELS.c.name == bindparam("model"), _MODELS.c.deleted_at.is_(None))
    .values(next_version=_MODELS.c.next_version + 1, updated_at=bindparam("now"))
    .returning(_MODELS.c.next_version, *_IDS)
)
_IDENTITY = Prepared(
    select(*(_VERSIONS.c[name] for name in ("id", "status", "digest", "updated_at"))).where(
        _VERSIONS.c.model == bindparam("model"),
        _VERSIONS.c.version == bindparam("version"),
    )
)
# All that a version's document shows, and nothing that it does not.
WHOLE: tuple[ORMOption, ...] = (
    defer(Version.card, raiseload=True),
    selectinload(Version.variants).options(
        selectinload(Variant.files), *(defer(column, raiseload=True) for column in _HEAVY)
    ),
    selectinload(Version.tags),
    selectinload(Version.metrics),
    selectinload(Version.parameters),
    selectinload(Version.datasets),
    selectinload(Version.parents),
)


def find_model(session: Session, name: str) -> Model | None:
    """The model, deleted or not, or None."""
    return session.get(Model, name)


def model(session: Session, name: str) -> Model:
    """Raises NotFound, also for a deleted one."""
    found = find_model(session, name)
    if found is None or found.deleted_at is not None:
        raise errors.NotFound(f"no model {name!r}", fix="see GET /v1/models for those there are")
    return found


def model_tags(session: Session, name: str) -> Sequence[ModelTag]:
    """The model's tags, by key."""
    statement = select(ModelTag).where(ModelTag.model == name).order_by(ModelTag.key)
    return session.scalars(statement).all()


def ensure_model(
    session: Session, name: str, *, display_name: str = "", now: datetime
) -> tuple[Model, bool]:
    """The model, made (or brought back) where it is not there; and whether it was made."""
    found = find_model(session, name)
    if found is not None and found.deleted_at is None:
        return found, False
    if found is None:
        found = Model(
            name=name,
            display_name=display_name or name,
            description="",
            owner="",
            project="",
            next_version=1,
            created_at=now,
            updated_at=now,
        )
        session.add(found)
    else:
        found.deleted_at, found.display_name, found.project = None, display_name or name, ""
        found.created_at = found.updated_at = now
    session.flush()
    return found, True


def next_number(session: Session, name: str, *, now: datetime) -> int:
    """What the model's next version is called; the model is made where it is not there."""
    row = _FOLLOWING.row(session, {"model": name})
    if row is None:
        return ensure_model(session, name, now=now)[0].next_version
    found: int = row[0]
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """A number that was given out, with the ids for its version and first variant: 0 on SQLite."""

    number: int
    version_id: int
    variant_id: int


def ask_for_next(session: Session, name: str, *, now: datetime) -> Asked:
    """Asks for the number that `take_next` gives."""
    return _TAKE_NEXT.ask(session, {"model": name, "now": now})


def take_next(session: Session, name: str, asked: Asked, *, now: datetime) -> Taken:
    """Give out the model's next number; the model is made where it is not there."""
    rows = asked()
    if not rows:
        ensure_model(session, name, now=now)
        rows = ask_for_next(session, name, now=now)()
    if not rows:
        raise errors.Conflict(f"model {name!r} was deleted meanwhile", fix="try again")
    following, version_id, variant_id = rows[0]
    return Taken(following - 1, version_id, variant_id)


def take_number(session: Session, name: str, *, expected: int, number: int, now: datetime) -> Taken:
    """Give out `number`; raises Conflict where `next_version` is no longer `expected`."""
    following = max(expected, number + 1)
    taken = _TAKE_NUMBER.row(
        session, {"model": name, "expected": expected, "following": following, "now": now}
    )
    if taken is None:
        raise errors.Conflict(f"another publisher took version {number} first", fix="try again")
    _, version_id, variant_id = taken
    return Taken(number, version_id, variant_id)


@dataclass(frozen=True, slots=True)
class Identity:
    """As much of a version as tells whether it is the one that is meant, and still the same.

    Every change of a version moves `updated_at`.
    """

    id: int
    status: str
    digest: str | None
    updated_at: datetime


def identity(session: Session, model_name: str, number: int) -> Identity | None:
    """Which version that is, or None; a tenth of the cost of loading it."""
    row = _IDENTITY.row(session, {"model": model_name, "version": number})
    return None if row is None else Identity(*row)


def find(session: Session, model_name: str, number: int) -> Version | None:
    """The bare row, or None."""
    statement = select(Version).where(Version.model == model_name, Version.version == number)
    return session.scalars(statement).one_or_none()


def version(session: Session, model_name: str, number: int) -> Version:
    """The bare row; raises NotFound, saying which part is missing."""
    found = find(session, model_name, number)
    if found is None:
        raise missing(session, model_name, number)
    return found


def whole(session: Session, model_name: str, number: int) -> Version:
    """The version with all that its document shows; raises NotFound."""
    found = session.scalars(
        select(Version)
        .where(Version.model == model_name, Version.version == number)
        .options(*WHOLE)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise missing(session, model_name, number)
    return found


def count(session: Session, model_name: str) -> int:
    """How many versions the model has, in whatever state."""
    statement = select(func.count()).select_from(Version).where(Version.model == model_name)
    return session.execute(statement).scalar_one()


def variants(session: Session, version_id: int) -> Sequence[Variant]:
    """Every variant of a version, the one it was first published in first, with its files."""
    return session.scalars(
        select(Variant)
        .where(Variant.version_id == version_id)
        .order_by(Variant.id)
        .options(selectinload(Variant.files))
    ).all()


def files(session: Session, variant_id: int) -> Sequence[File]:
    """The files of one variant, by path."""
    statement = select(File).where(File.variant_id == variant_id).order_by(File.path)
    return session.scalars(statement).all()


def card(session: Session, version_id: int) -> str:
    """The model card's text, empty where there is none."""
    return session.execute(select(Version.card).where(Version.id == version_id)).scalar_one()


def missing(session: Session, model_name: str, number: int) -> errors.NotFound:
    model(session, model_name)
    return errors.NotFound(
        f"model {model_name!r} has no version {number}",
        fix=f"see GET /v1/models/{model_name} for those it has",
    )
