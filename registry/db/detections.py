"""What a detection compares with: every marked variant, and who may have a copy of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.core import entries
from registry.core.entries import Kind
from registry.db.tables import File, Variant, Version
from registry.db.tables_host_copies import HostCopyFile
from registry.db.tables_log import LogEntry
from registry.db.tables_watermark import Watermark


@dataclass(frozen=True, slots=True)
class Marked:
    """A variant with the owner's mark."""

    variant_id: int
    model: str
    version: int
    variant: str
    digest: str
    content: str
    epoch: int
    files: tuple[tuple[str, str], ...]


def marked(session: Session, model: str, version: int = 0) -> list[Marked]:
    """Those of one model, or of one of its versions, or all; the first one first."""
    statement = (
        select(
            Variant.id,
            Version.model,
            Version.version,
            Variant.name,
            Variant.digest,
            Watermark.content,
            Watermark.epoch,
        )
        .join(Watermark, Watermark.variant_id == Variant.id)
        .join(Version, Version.id == Variant.version_id)
        .order_by(Variant.id)
    )
    if model:
        statement = statement.where(Version.model == model)
    if version:
        statement = statement.where(Version.version == version)
    rows = session.execute(statement).all()
    return [Marked(*row, files=_files(session, row[0])) for row in rows]


def recipients(session: Session, model: str, version: int) -> list[str]:
    """Every host that ever pulled the version, by the log: it forgets none that was turned out."""
    leaves = session.scalars(
        select(LogEntry.leaf)
        .where(LogEntry.model == model, LogEntry.version == version, LogEntry.kind == Kind.PULLED)
        .order_by(LogEntry.index)
    )
    hosts = (entries.decode(leaf).host for leaf in leaves)
    return [host for host in dict.fromkeys(hosts) if host]


def holder(session: Session, variant_ids: Collection[int], digests: Collection[str]) -> str:
    """The host whose own copy has these very files, as far as a mark changes them; or empty."""
    ours = HostCopyFile.variant_id.in_(variant_ids)
    there = select(HostCopyFile.variant_id, HostCopyFile.host).where(
        ours, HostCopyFile.digest.in_(digests)
    )
    for variant_id, host in session.execute(there.distinct()).all():
        files = session.scalars(
            select(HostCopyFile.digest).where(
                HostCopyFile.variant_id == variant_id, HostCopyFile.host == host
            )
        )
        if set(files) <= set(digests):
            return str(host)
    return ""


def _files(session: Session, variant_id: int) -> tuple[tuple[str, str], ...]:
    found: Sequence[tuple[str, str]] = [
        (path, digest)
        for path, digest in session.execute(
            select(File.path, File.digest).where(File.variant_id == variant_id)
        )
    ]
    return tuple(found)
