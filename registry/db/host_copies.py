"""Hosts' own copies, as rows: found by variant and host, or by a file's digest and host."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from registry.db.tables import File, Variant
from registry.db.tables_host_copies import HostCopy, HostCopyFile
from registry.db.tables_watermark import WatermarkSource


def find(session: Session, variant_id: int, host: str) -> HostCopy | None:
    """What the host was told of its copy; None where it has none."""
    return session.get(HostCopy, (variant_id, host))


def add(session: Session, copy: HostCopy, files: Sequence[HostCopyFile]) -> HostCopy:
    """Keep a copy; where another process kept it first, that one. Under the writer's lock."""
    known = find(session, copy.variant_id, copy.host)
    if known is not None:
        return known
    session.add(copy)
    session.flush()
    session.add_all(files)
    session.flush()
    return copy


def file(session: Session, digest: str, host: str) -> HostCopyFile | None:
    """The file of this digest in any copy of this host's."""
    statement = select(HostCopyFile).where(HostCopyFile.digest == digest, HostCopyFile.host == host)
    return session.scalars(statement.limit(1)).one_or_none()


def is_marked(session: Session, digest: str) -> bool:
    """Whether a file of this digest bears the owner's mark: hosts get it with their own."""
    statement = (
        select(WatermarkSource.path)
        .join(
            File,
            (File.variant_id == WatermarkSource.variant_id) & (File.path == WatermarkSource.path),
        )
        .where(File.digest == digest, WatermarkSource.digest != digest)
    )
    return session.execute(statement.limit(1)).one_or_none() is not None


def is_given(session: Session, digest: str) -> bool:
    """Whether these bytes are of any version that can be had."""
    statement = select(File.path).where(File.digest == digest).limit(1)
    return session.execute(statement).one_or_none() is not None


def is_there(session: Session, variant_id: int) -> bool:
    """Whether the variant still has its files."""
    statement = select(File.path).where(File.variant_id == variant_id).limit(1)
    return session.execute(statement).one_or_none() is not None


def count(session: Session) -> int:
    """How many copies there are."""
    return session.scalars(select(func.count()).select_from(HostCopy)).one()


def drop_version(session: Session, version_id: int) -> None:
    """Forget all copies of a version."""
    ours = select(Variant.id).where(Variant.version_id == version_id)
    for kind in (HostCopyFile, HostCopy):
        session.execute(
            delete(kind)
            .where(kind.variant_id.in_(ours))
            .execution_options(synchronize_session=False)
        )


def drop_host(session: Session, host: str) -> None:
    """Forget all copies of a host."""
    for kind in (HostCopyFile, HostCopy):
        session.execute(
            delete(kind).where(kind.host == host).execution_options(synchronize_session=False)
        )
