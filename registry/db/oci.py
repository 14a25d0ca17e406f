"""What was pushed to OCI repositories: links to blobs, manifests, tags. Writers hold the lock."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session, defer

from registry.core import oci
from registry.core.scope import EVERYTHING, Scope
from registry.db import scoped
from registry.db.tables import Blob
from registry.db.tables_oci import (
    BlobLink,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    Tag,
)


def has_repository(session: Session, name: str) -> bool:
    """Whether anything was ever pushed there."""
    return session.get(Repository, name) is not None


def ensure_repository(session: Session, name: str, *, now: datetime) -> None:
    """Make it where it is not there."""
    if not has_repository(session, name):
        session.add(Repository(name=name, created_at=now))
        session.flush()


def repositories(
    session: Session, *, after: str, limit: int, scope: Scope = EVERYTHING
) -> Sequence[str]:
    """The names after `after` that `scope` covers, in their order."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    within = scoped.covered(Repository.__table__.c.name, scope, is_sqlite=is_sqlite)
    statement = select(Repository.name).where(Repository.name > after, within)
    return session.scalars(statement.order_by(Repository.name).limit(limit)).all()


def linked(session: Session, repository: str, digests: Collection[str]) -> set[str]:
    """Those of these blobs that are read in the repository, for a link says so."""
    statement = select(BlobLink.digest).where(
        BlobLink.repository == repository, BlobLink.digest.in_(digests)
    )
    return set(session.scalars(statement))


def link(session: Session, repository: str, digests: Iterable[str], *, now: datetime) -> None:
    """Have these blobs read in the repository from now on."""
    wanted = set(digests)
    session.add_all(
        BlobLink(repository=repository, digest=digest, created_at=now)
        for digest in sorted(wanted - linked(session, repository, wanted))
    )
    session.flush()


def unlink(session: Session, repository: str, digest: str) -> bool:
    """Have the blob read there no more; says whether it was."""
    gone = session.execute(
        delete(BlobLink)
        .where(BlobLink.repository == repository, BlobLink.digest == digest)
        .returning(BlobLink.digest)
    )
    return gone.first() is not None


def unlink_everywhere(session: Session, digests: Collection[str]) -> None:
    """Drop all links to blobs whose bytes are gone."""
    session.execute(
        delete(BlobLink)
        .where(BlobLink.digest.in_(digests))
        .execution_options(synchronize_session=False)
    )


def is_needed(session: Session, repository: str, digest: str) -> bool:
    """Whether a manifest of the repository refers to the blob."""
    found = exists().where(ManifestBlob.repository == repository, ManifestBlob.digest == digest)
    return bool(session.execute(select(found)).scalar_one())


def sizes(session: Session, digests: Collection[str]) -> dict[str, int]:
    """How many bytes these blobs have; those that are gone or condemned are left out."""
    rows = session.execute(
        select(Blob.digest, Blob.size).where(Blob.digest.in_(digests), Blob.condemned_at.is_(None))
    )
    return {row.digest: row.size for row in rows}


def manifest(session: Session, repository: str, digest: str) -> Manifest | None:
    """The manifest as it was pushed, or None."""
    return session.get(Manifest, (repository, digest))


def known_manifests(session: Session, repository: str, digests: Collection[str]) -> set[str]:
    """Those of these that were pushed to the repository."""
    statement = select(Manifest.digest).where(
        Manifest.repository == repository, Manifest.digest.in_(digests)
    )
    return set(session.scalars(statement))


def add_manifest(session: Session, row: Manifest, said: oci.Manifest, *, now: datetime) -> None:
    """Keep it, and have it refer to its blobs, which are there, and to the others it lists."""
    session.add(row)
    session.flush()
    blobs = sorted({found.digest for found in said.blobs})
    link(session, row.repository, blobs, now=now)
    session.add_all(
        ManifestBlob(repository=row.repository, manifest=row.digest, digest=digest)
        for digest in blobs
    )
    session.add_all(
        ManifestChild(repository=row.repository, manifest=row.digest, child=child)
        for child in sorted({found.digest for found in said.manifests})
    )
    session.flush()


def remove_manifest(session: Session, repository: str, digest: str) -> Sequence[str]:
    """Forget it with every tag on it, and give these. What it referred to stays."""
    for kind in (ManifestBlob, ManifestChild):
        session.execute(delete(kind).where(kind.repository == repository, kind.manifest == digest))
    gone = session.scalars(
        delete(Tag).where(Tag.repository == repository, Tag.digest == digest).returning(Tag.tag)
    ).all()
    session.execute(
        delete(Manifest).where(Manifest.repository == repository, Manifest.digest == digest)
    )
    return sorted(gone)


def referrers(
    session: Session, repository: str, subject: str, *, after: str, limit: int
) -> Sequence[Manifest]:
    """The manifests about `subject`, without their content, by digest."""
    return session.scalars(
        select(Manifest)
        .where(
            Manifest.repository == repository,
            Manifest.subject == subject,
            Manifest.digest > after,
        )
        .order_by(Manifest.digest)
        .limit(limit)
        .options(defer(Manifest.content, raiseload=True))
    ).all()


def tag(session: Session, repository: str, name: str) -> Tag | None:
    """The tag, or None."""
    return session.get(Tag, (repository, name))


def tags(session: Session, repository: str, *, after: str, limit: int) -> Sequence[str]:
    """The tags after `after`, in their order."""
    statement = select(Tag.tag).where(Tag.repository == repository, Tag.tag > after)
    return session.scalars(statement.order_by(Tag.tag).limit(limit)).all()


def move_tag(
    session: Session, repository: str, name: str, digest: str, *, now: datetime
) -> str | None:
    """Have the tag stand for `digest`; gives what it stood for, empty if it is new.

    None: it stands for that already.
    """
    found = tag(session, repository, name)
    if found is None:
        session.add(Tag(repository=repository, tag=name, digest=digest, updated_at=now))
        return ""
    previous = found.digest
    if previous == digest:
        return None
    found.digest, found.updated_at = digest, now
    return previous
