"""Tags of models and versions: set, replaced and removed by key."""

from collections.abc import Mapping

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from registry.core import facts
from registry.db.tables import ModelTag, Version, VersionTag


def set_model_tags(session: Session, model: str, tags: Mapping[str, str | None]) -> None:
    """None removes the tag; nothing happens where it is not there."""
    session.execute(delete(ModelTag).where(ModelTag.model == model, ModelTag.key.in_(tags)))
    session.add_all(
        ModelTag(model=model, key=key, value=value, start=facts.start(value))
        for key, value in tags.items()
        if value is not None
    )
    session.flush()


def set_version_tags(session: Session, version_id: int, tags: Mapping[str, str | None]) -> None:
    """None removes the tag; nothing happens where it is not there."""
    # Moves `updated_at`, by which whoever remembers the version sees that it has changed.
    session.execute(update(Version).where(Version.id == version_id).values(id=version_id))
    session.execute(
        delete(VersionTag).where(VersionTag.version_id == version_id, VersionTag.key.in_(tags))
    )
    session.add_all(
        VersionTag(version_id=version_id, key=key, value=value, start=facts.start(value))
        for key, value in tags.items()
        if value is not None
    )
    session.flush()
