"""What speaks for versions and for bytes: aliases, holds, the log, and everything that refers.

`REFERRERS` is the one list of who refers to blobs. Bytes that nobody in it refers to may go.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from registry.core import retention
from registry.core.entries import Kind
from registry.core.retention import Key
from registry.db import host_copies, images, keys, oci, optimisations
from registry.db.tables import Alias, Blob, File, Variant, Version
from registry.db.tables_artifacts import Artifact, Registration, RegistrationFile
from registry.db.tables_log import LogEntry
from registry.db.tables_oci import ManifestBlob
from registry.db.tables_optimisations import OptimisationFile
from registry.db.tables_watermark import WatermarkSource

_STREAMED = {"yield_per": 1000}
_SHELF = 20_000


@dataclass(frozen=True, slots=True)
class Referrer:
    """`what` it is, and the digests of all blobs it refers to."""

    what: str
    digests: Select[str] | Select[str | None]


REFERRERS: tuple[Referrer, ...] = (
    Referrer("a version", select(File.digest)),
    Referrer("an uploaded MLflow artifact", select(Artifact.digest)),
    Referrer("an OCI manifest", select(ManifestBlob.digest)),
    Referrer("a recipe", select(OptimisationFile.digest)),
    Referrer("a version being checked", select(RegistrationFile.digest)),
    Referrer(
        "the signature of a version being checked",
        select(Registration.signature).where(Registration.signature.is_not(None)),
    ),
    Referrer(
        "the original of a marked version",
        select(WatermarkSource.digest).where(
            WatermarkSource.variant_id.in_(select(File.variant_id))
        ),
    ),
)


def versions(session: Session) -> list[retention.Version]:
    """All whose bytes could go, as of their newest variant."""
    newest = func.coalesce(func.max(Variant.created_at), Version.created_at)
    rows = session.execute(
        select(
            Version.model, Version.version, Version.status, Version.digest,
            func.sum(Variant.size), newest,
        )
        .outerjoin(Variant, Variant.version_id == Version.id)
        .where(Version.status.not_in(("expired", "erased")))
        .group_by(Version.id, Version.model, Version.version, Version.status, Version.digest,
                  Version.created_at)
        .execution_options(**_STREAMED)
    )  # fmt: skip
    return [
        retention.Version(model, number, status, digest or "", int(size or 0), newest_at)
        for model, number, status, digest, size, newest_at in rows
    ]


def aliases(session: Session) -> dict[Key, list[str]]:
    """The aliases that point at each version."""
    found: dict[Key, list[str]] = {}
    rows = session.execute(
        select(Alias.model, Alias.version, Alias.alias).order_by(Alias.model, Alias.alias)
    )
    for model, version, alias in rows:
        found.setdefault((model, version), []).append(alias)
    return found


def last_at_work(
    session: Session, kinds: Collection[Kind], *, since: datetime
) -> dict[Key, tuple[int, datetime]]:
    """The newest entry of these kinds on each version since then: its index and its time."""
    rows = session.execute(
        select(LogEntry.model, LogEntry.version, func.max(LogEntry.index), func.max(LogEntry.at))
        .where(
            LogEntry.kind.in_(kinds),
            LogEntry.at >= since,
            LogEntry.model.is_not(None),
            LogEntry.version.is_not(None),
        )
        .group_by(LogEntry.model, LogEntry.version)
    )
    return {(str(model), int(version or 0)): (index, at) for model, version, index, at in rows}


def leaves(session: Session, kinds: Collection[Kind]) -> Iterator[bytes]:
    """The leaves of these kinds, in the log's order."""
    statement = select(LogEntry.leaf).where(LogEntry.kind.in_(kinds)).order_by(LogEntry.index)
    return iter(session.scalars(statement.execution_options(**_STREAMED)))


def spoken_of(session: Session, *, start: int, by_kinds_but: Collection[Kind]) -> set[Key]:
    """What entries from `start` on are about; version 0 stands for the model itself."""
    rows = session.execute(
        select(LogEntry.model, LogEntry.version)
        .where(LogEntry.index >= start, LogEntry.kind.not_in(by_kinds_but))
        .distinct()
    )
    return {(model, version or 0) for model, version in rows if model is not None}


def drop_files(session: Session, version_id: int) -> Sequence[str]:
    """Refer to a version's bytes no more; gives their digests. The manifest still lists them."""
    host_copies.drop_version(session, version_id)
    images.drop_version(session, version_id)
    optimisations.drop_version(session, version_id)
    ours = select(Variant.id).where(Variant.version_id == version_id)
    dropped = session.execute(
        delete(File)
        .where(File.variant_id.in_(ours))
        .returning(File.digest)
        .execution_options(synchronize_session=False)
    )
    return sorted(set(dropped.scalars()))


def is_referenced() -> ColumnElement[bool]:
    """Whether anybody refers to the blob of the enclosing statement."""
    return or_(*(_refers(referrer) for referrer in REFERRERS))


def referrers_of(session: Session, digests: Collection[str]) -> dict[str, list[str]]:
    """What refers to each of these blobs; those nobody refers to are left out."""
    found: dict[str, list[str]] = {}
    for referrer in REFERRERS:
        listed = referrer.digests.subquery()
        rows = session.scalars(select(listed.c[0]).where(listed.c[0].in_(digests)).distinct())
        for digest in rows:
            found.setdefault(digest, []).append(referrer.what)
    return found


def unused(session: Session, *, before: datetime, after: str, limit: int) -> Sequence[Blob]:
    """Blobs that nobody refers to, unused since `before`, not yet condemned; by digest."""
    return session.scalars(
        select(Blob)
        .where(
            Blob.digest > after,
            Blob.condemned_at.is_(None),
            Blob.used_at <= before,
            ~is_referenced(),
        )
        .order_by(Blob.digest)
        .limit(limit)
    ).all()


def condemn(
    session: Session, digests: Collection[str], *, before: datetime, at: datetime
) -> Sequence[str]:
    """Of these, condemn those still unused; gives them. Under the writer's lock."""
    statement = (
        update(Blob)
        .where(
            Blob.digest.in_(digests),
            Blob.condemned_at.is_(None),
            Blob.used_at <= before,
            ~is_referenced(),
        )
        .values(condemned_at=at)
        .returning(Blob.digest)
        .execution_options(synchronize_session=False)
    )
    return session.execute(statement).scalars().all()


def condemn_at_once(session: Session, digests: Collection[str], *, at: datetime) -> None:
    """Of these, condemn all that nobody refers to, however new. Under the writer's lock."""
    session.execute(
        update(Blob)
        .where(Blob.digest.in_(digests), ~is_referenced())
        .values(condemned_at=at)
        .execution_options(synchronize_session=False)
    )


def condemned(session: Session, *, after: str, limit: int) -> Sequence[Blob]:
    """All that are condemned, by digest."""
    return session.scalars(
        select(Blob)
        .where(Blob.digest > after, Blob.condemned_at.is_not(None))
        .order_by(Blob.digest)
        .limit(limit)
    ).all()


def due(session: Session, digests: Collection[str], *, before: datetime) -> Sequence[Blob]:
    """Of these, those condemned since `before` that nobody refers to. Under the writer's lock."""
    return session.scalars(
        select(Blob)
        .where(Blob.digest.in_(digests), Blob.condemned_at <= before, ~is_referenced())
        .execution_options(populate_existing=True)
    ).all()


def forget(session: Session, digests: Collection[str]) -> None:
    """Remove the rows of blobs whose bytes are gone, and their keys."""
    oci.unlink_everywhere(session, digests)
    keys.forget(session, digests)
    session.execute(
        delete(Blob).where(Blob.digest.in_(digests)).execution_options(synchronize_session=False)
    )


def pardon(session: Session) -> Sequence[str]:
    """Clear the sentence of every condemned blob that somebody refers to after all."""
    statement = (
        update(Blob)
        .where(Blob.condemned_at.is_not(None), is_referenced())
        .values(condemned_at=None)
        .returning(Blob.digest)
        .execution_options(synchronize_session=False)
    )
    return session.execute(statement).scalars().all()


def shelves(session: Session) -> Sequence[str]:
    """How to cut all blobs into parts, by their digests' first digits, so that one fits in memory.

    A small registry's blobs are one part: each costs a question to database and store.
    """
    count = session.execute(select(func.count()).select_from(Blob)).scalar_one()
    return ("",) if count < _SHELF else tuple(f"{number:02x}" for number in range(256))


def listed(session: Session, shelf: str) -> Iterator[tuple[str, int, bool]]:
    """(digest, size, whether anybody refers to it) of the blobs on one shelf."""
    statement = select(Blob.digest, Blob.size, is_referenced()).execution_options(**_STREAMED)
    if shelf:
        after_it = f"{int(shelf, 16) + 1:02x}" if shelf != "ff" else "g"
        statement = statement.where(
            Blob.digest >= f"sha256:{shelf}", Blob.digest < f"sha256:{after_it}"
        )
    return ((digest, size, bool(used)) for digest, size, used in session.execute(statement))


def _refers(referrer: Referrer) -> ColumnElement[bool]:
    listed = referrer.digests.subquery()
    return exists().where(listed.c[0] == Blob.digest)
