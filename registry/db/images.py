"""Images that were composed of versions, and the layers with their files. Writers hold the lock."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.core import oci
from registry.db import oci as rows
from registry.db.tables import READY, File, Variant, Version
from registry.db.tables_images import Image, ImageLayer
from registry.db.tables_oci import Manifest


def layer(session: Session, variant_id: int) -> ImageLayer | None:
    """The layer with the variant's files, where an image was composed of it."""
    return session.get(ImageLayer, variant_id)


def keep_layer(session: Session, variant_id: int, digest: str, size: int) -> None:
    """What the layer of a variant is called; the same each time."""
    if layer(session, variant_id) is None:
        session.add(ImageLayer(variant_id=variant_id, digest=digest, size=size))
        session.flush()


def files_of_layer(session: Session, model: str, digest: str) -> Sequence[File]:
    """The files that the layer is put together of; none where no ready version has it."""
    found = session.scalars(
        select(ImageLayer.variant_id)
        .join(Variant, Variant.id == ImageLayer.variant_id)
        .join(Version, Version.id == Variant.version_id)
        .where(ImageLayer.digest == digest, Version.model == model, Version.status == READY)
        .limit(1)
    ).first()
    if found is None:
        return ()
    return session.scalars(select(File).where(File.variant_id == found).order_by(File.path)).all()


def add(
    session: Session, row: Manifest, said: oci.Manifest, variant_id: int, *, now: datetime
) -> bool:
    """Keep a manifest that was composed of the variant; False where it is there already."""
    if session.get(Image, (row.repository, row.digest)) is not None:
        return False
    if rows.manifest(session, row.repository, row.digest) is None:
        rows.add_manifest(session, row, said, now=now)
    session.add(
        Image(
            repository=row.repository,
            manifest=row.digest,
            variant_id=variant_id,
            is_shown=False,
        )
    )
    session.flush()
    return True


def show(session: Session, variant_id: int, repository: str, digest: str) -> bool:
    """Have the variant's tag stand for this index; False where it does."""
    if shown(session, variant_id) == digest:
        return False
    for wanted, is_shown in ((Image.variant_id == variant_id, False),
                             (Image.manifest == digest, True)):  # fmt: skip
        session.execute(
            update(Image)
            .where(wanted, Image.repository == repository)
            .values(is_shown=is_shown)
            .execution_options(synchronize_session=False)
        )
    return True


def shown(session: Session, variant_id: int) -> str | None:
    """The index that the variant's tag stands for, where there is one."""
    return session.scalars(
        select(Image.manifest).where(Image.variant_id == variant_id, Image.is_shown)
    ).first()


def composed_of(session: Session, repository: str, digest: str) -> tuple[int, str] | None:
    """The number and the digest of the version that a manifest was composed of, if it was."""
    found = session.execute(
        select(Version.version, Variant.digest)
        .join(Variant, Variant.version_id == Version.id)
        .join(Image, Image.variant_id == Variant.id)
        .where(Image.repository == repository, Image.manifest == digest)
    ).first()
    return None if found is None else (found.version, found.digest)


def drop_version(session: Session, version_id: int) -> None:
    """A version's images go with its bytes."""
    ours = select(Variant.id).where(Variant.version_id == version_id)
    for one in session.scalars(select(Image).where(Image.variant_id.in_(ours))).all():
        repository, digest = one.repository, one.manifest
        session.delete(one)
        session.flush()
        rows.remove_manifest(session, repository, digest)
    session.execute(
        delete(ImageLayer)
        .where(ImageLayer.variant_id.in_(ours))
        .execution_options(synchronize_session=False)
    )
