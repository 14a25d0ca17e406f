"""Models, their versions, and the blobs these refer to."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, defer

from registry import errors
from registry.db.tables import Blob, Model, Version


def model(session: Session, name: str) -> Model:
    """Raises NotFound."""
    found = session.get(Model, name)
    if found is None:
        raise errors.NotFound(f"no model {name!r}", fix="see GET /v1/models for those there are")
    return found


def models(session: Session) -> Sequence[Model]:
    """All, by name."""
    return session.scalars(select(Model).order_by(Model.name)).all()


def ensure_model(session: Session, name: str, *, now: datetime) -> Model:
    """The model, made where this is its first version."""
    found = session.get(Model, name)
    if found is None:
        found = Model(name=name, description="", next_version=1, created_at=now)
        session.add(found)
        session.flush()
    return found


def describe(session: Session, name: str, description: str) -> None:
    """Set what the model is for."""
    session.execute(update(Model).where(Model.name == name).values(description=description))


def take_number(session: Session, name: str, *, expected: int, number: int) -> None:
    """Give out `number`; raises Conflict where `next_version` is no longer `expected`."""
    taken = session.execute(
        update(Model)
        .where(Model.name == name, Model.next_version == expected)
        .values(next_version=max(expected, number + 1))
        .returning(Model.name)
    )
    if taken.first() is None:
        raise errors.Conflict(f"another publisher took version {number} first", fix="try again")


def find(session: Session, model_name: str, number: int) -> Version | None:
    """The version, or None."""
    return session.scalars(
        select(Version).where(Version.model == model_name, Version.version == number)
    ).one_or_none()


def version(session: Session, model_name: str, number: int) -> Version:
    """Raises NotFound, saying which part is missing."""
    found = find(session, model_name, number)
    if found is None:
        model(session, model_name)
        raise errors.NotFound(
            f"model {model_name!r} has no version {number}",
            fix=f"see GET /v1/models/{model_name} for those it has",
        )
    return found


def of_model(session: Session, model_name: str) -> Sequence[Version]:
    """All versions, newest first, without their manifests and signatures."""
    heavy = (Version.manifest, Version.publisher_bundle, Version.registry_bundle)
    return session.scalars(
        select(Version)
        .where(Version.model == model_name)
        .order_by(Version.version.desc())
        .options(*(defer(column, raiseload=True) for column in heavy))
    ).all()


def newest_numbers(session: Session) -> dict[str, int]:
    """The highest version of each model."""
    rows = session.execute(select(Version.model, func.max(Version.version)).group_by(Version.model))
    return dict(rows.tuples().all())


def add(session: Session, new: Version) -> None:
    """Insert it; raises Conflict (at flush) where the number is taken."""
    session.add(new)
    session.flush()


def ensure_blobs(session: Session, sizes: Iterable[tuple[str, int]], *, now: datetime) -> None:
    """List blobs, as (digest, size), that a version is about to refer to."""
    wanted = dict(sizes)
    known = set(session.scalars(select(Blob.digest).where(Blob.digest.in_(wanted))))
    session.add_all(
        Blob(digest=digest, size=size, created_at=now)
        for digest, size in wanted.items()
        if digest not in known
    )
    session.flush()
