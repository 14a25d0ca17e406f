"""Rows of watermarks: master keys by epoch, the marks of variants, and their originals."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session, defer

from registry.core.oms import File as ModelFile
from registry.db.tables import File, Variant
from registry.db.tables_watermark import Watermark, WatermarkKey, WatermarkSource

_LIGHT = tuple(
    defer(column, raiseload=True)
    for column in (Watermark.weights_map, Watermark.bundle, Watermark.signature)
)


def newest_epoch(session: Session) -> int:
    """The epoch that marks now; 0 before the first."""
    return session.execute(select(func.coalesce(func.max(WatermarkKey.epoch), 0))).scalar_one()


def sealed_key(session: Session, epoch: int) -> bytes | None:
    """The master key of that epoch, as it was sealed."""
    statement = select(WatermarkKey.sealed).where(WatermarkKey.epoch == epoch)
    return session.scalars(statement).one_or_none()


def add_key(session: Session, epoch: int, sealed: bytes, *, now: datetime) -> None:
    """Keep the key of a new epoch."""
    session.add(WatermarkKey(epoch=epoch, sealed=sealed, created_at=now))
    session.flush()


def add(
    session: Session, new: Watermark, sources: Collection[ModelFile], *, kept: Collection[str]
) -> None:
    """Keep a variant's mark, and what it was made from; `kept` are digests that it has as well."""
    session.add(new)
    session.add_all(
        WatermarkSource(
            variant_id=new.variant_id,
            path=file.path,
            digest=file.digest,
            size=file.size,
            is_changed=file.digest not in kept,
        )
        for file in sources
    )
    session.flush()


def find(session: Session, variant_id: int) -> Watermark | None:
    """The variant's mark with everything, or None."""
    return session.get(Watermark, variant_id)


def of_variants(session: Session, variant_ids: Collection[int]) -> dict[int, Watermark]:
    """The marks of these variants, without map and statement."""
    if not variant_ids:
        return {}
    statement = select(Watermark).where(Watermark.variant_id.in_(variant_ids)).options(*_LIGHT)
    return {row.variant_id: row for row in session.scalars(statement)}


def sources(session: Session, variant_id: int) -> tuple[ModelFile, ...]:
    """The original's files by path; none where the variant has no mark, or was erased."""
    rows = session.scalars(
        select(WatermarkSource)
        .where(WatermarkSource.variant_id == variant_id)
        .order_by(WatermarkSource.path)
    )
    return tuple(ModelFile(row.path, row.digest, row.size) for row in rows)


def made_from(
    session: Session,
    content: str,
    format: str,  # noqa: A002
    *,
    epoch: int,
) -> Watermark | None:
    """A mark of these very files by that key, whose variant still has its own; the oldest."""
    is_there = exists().where(File.variant_id == Watermark.variant_id)
    statement = (
        select(Watermark)
        .join(Variant, Variant.id == Watermark.variant_id)
        .where(Watermark.content == content, Watermark.epoch == epoch, Variant.format == format)
        .where(is_there)
        .order_by(Watermark.variant_id)
        .limit(1)
    )
    return session.scalars(statement).one_or_none()


def withheld(session: Session, digests: Collection[str]) -> list[str]:
    """Those that are of a marked version's original, and of no version as it is given."""
    is_given = exists().where(File.digest == WatermarkSource.digest)
    statement = select(WatermarkSource.digest).where(
        WatermarkSource.digest.in_(digests), WatermarkSource.is_changed, ~is_given
    )
    return sorted(set(session.scalars(statement)))


def of_version(session: Session, version_id: int) -> Sequence[Watermark]:
    """The marks of a version's variants, the first variant's first."""
    statement = (
        select(Watermark)
        .join(Variant, Variant.id == Watermark.variant_id)
        .where(Variant.version_id == version_id)
        .order_by(Watermark.variant_id)
    )
    return session.scalars(statement).all()


def erase(session: Session, version_id: int) -> set[str]:
    """Forget what names files; gives the digests of the originals. What proves the mark stays."""
    ours = select(Variant.id).where(Variant.version_id == version_id)
    session.execute(
        update(Watermark)
        .where(Watermark.variant_id.in_(ours))
        .values(bundle=b"", signature=b"", weights_map=b"", trial={})
        .execution_options(synchronize_session=False)
    )
    gone = session.execute(
        delete(WatermarkSource)
        .where(WatermarkSource.variant_id.in_(ours))
        .returning(WatermarkSource.digest)
        .execution_options(synchronize_session=False)
    )
    return set(gone.scalars())
