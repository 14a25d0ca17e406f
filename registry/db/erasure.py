"""Takes personal data out of rows that stay: names, free text, paths, addresses.

What stays proves itself without them: numbers, digests, the registry's signed statement, the
licence, the commit, and which data sets (by digest) and versions it was made from.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.db import (
    documents,
    evidence,
    host_copies,
    host_reports,
    images,
    oci,
    optimisations,
    registrations,
    tables,
)
from registry.db.tables import (
    Alias,
    Dataset,
    Derivation,
    File,
    Metric,
    Model,
    ModelTag,
    Parameter,
    Variant,
    Version,
    VersionTag,
)
from registry.db.tables_artifacts import Artifact, Registration, RegistrationFile
from registry.db.tables_oci import Evidence, Manifest, ManifestBlob


def erase_version(session: Session, version: Version, *, message: str, now: datetime) -> None:
    """Leave a tombstone of the version; its files are no longer referred to."""
    version.status, version.status_message, version.updated_at = tables.ERASED, message, now
    version.actor = version.owner = version.description = version.card = ""
    version.source = version.run_id = version.repository = ""
    session.flush()
    ours = select(Variant.id).where(Variant.version_id == version.id)
    host_copies.drop_version(session, version.id)
    host_reports.drop_version(session, version.model, version.version)
    images.drop_version(session, version.id)
    optimisations.drop_version(session, version.id)
    session.execute(delete(File).where(File.variant_id.in_(ours)))
    for kind in (VersionTag, Metric, Parameter):
        session.execute(delete(kind).where(kind.version_id == version.id))
    session.execute(
        update(Variant)
        .where(Variant.version_id == version.id)
        .values(manifest=b"", config=b"", publisher_bundle=b"", signature={})
    )
    evidence.strip(session, version.id)
    documents.forget(session, version.id)
    registrations.forget(session, version.id)
    _rename_datasets(session, version.id)
    _rename_parents(session, version.id)


def erase_model(session: Session, model: Model, *, now: datetime) -> None:
    """Leave the slug and the next number, so that no number is given out twice."""
    model.display_name, model.description, model.owner = model.name, "", ""
    model.updated_at = model.deleted_at = now
    session.flush()
    session.execute(delete(ModelTag).where(ModelTag.model == model.name))


def aliases_of(session: Session, version: Version) -> list[Alias]:
    """The aliases that point at the version."""
    statement = select(Alias).where(Alias.model == version.model, Alias.version == version.version)
    return list(session.scalars(statement.order_by(Alias.alias)))


def manifests_of(session: Session, version_id: int) -> list[bytes]:
    """What lists the bytes of each variant, also of those that nothing refers to any more."""
    statement = select(Variant.manifest).where(Variant.version_id == version_id)
    return [manifest for manifest in session.scalars(statement) if manifest]


def frozen_as(session: Session, version_id: int) -> set[str]:
    """The bytes that a version is being checked as, its signature's among them."""
    files = select(RegistrationFile.digest).where(RegistrationFile.version_id == version_id)
    signature = select(Registration.signature).where(
        Registration.version_id == version_id, Registration.signature.is_not(None)
    )
    return {digest for query in (files, signature) for digest in session.scalars(query) if digest}


def drop_staged(session: Session, version_id: int, digests: Collection[str]) -> int:
    """Forget the version's registration, and uploaded artifacts that only it was made of.

    An upload is no version: it keeps no bytes that are to be erased, unless another version has
    the very same ones. Says how many went.
    """
    registrations.forget(session, version_id)
    kept = select(File.digest).where(File.digest.in_(digests))
    frozen = select(RegistrationFile.digest).where(RegistrationFile.digest.in_(digests))
    gone = session.execute(
        delete(Artifact)
        .where(
            Artifact.digest.in_(digests),
            Artifact.digest.not_in(kept),
            Artifact.digest.not_in(frozen),
        )
        .returning(Artifact.path)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())


def drop_evidence(session: Session, version: Version) -> tuple[int, set[str]]:
    """Remove what was pushed about the version's variants, and about that in turn.

    Gives how many manifests went, and the blobs they referred to.
    """
    ours = select(Variant.id).where(Variant.version_id == version.id)
    session.execute(delete(Evidence).where(Evidence.variant_id.in_(ours)))
    subjects = list(session.scalars(select(Variant.digest).where(Variant.id.in_(ours))))
    count, blobs = 0, set[str]()
    while subjects:
        found = list(
            session.scalars(
                select(Manifest.digest).where(
                    Manifest.repository == version.model, Manifest.subject.in_(subjects)
                )
            )
        )
        for digest in found:
            blobs |= set(
                session.scalars(
                    select(ManifestBlob.digest).where(
                        ManifestBlob.repository == version.model, ManifestBlob.manifest == digest
                    )
                )
            )
            oci.remove_manifest(session, version.model, digest)
        count, subjects = count + len(found), found
    return count, blobs


def numbers_of(session: Session, model: str) -> list[int]:
    """The versions of a model that are not erased yet, oldest first."""
    statement = select(Version.version).where(
        Version.model == model, Version.status != tables.ERASED
    )
    return list(session.scalars(statement.order_by(Version.version)))


def variants_of(session: Session, version_id: int) -> dict[str, str]:
    """The variants' names and digests."""
    rows = session.execute(
        select(Variant.name, Variant.digest).where(Variant.version_id == version_id)
    )
    return {name: digest for name, digest in rows}  # noqa: C416  rows are not yet tuples


def _rename_datasets(session: Session, version_id: int) -> None:
    """Their digests stay: whoever asks which versions saw some data still finds this one."""
    found = session.execute(
        delete(Dataset).where(Dataset.version_id == version_id).returning(Dataset.digest)
    ).scalars()
    session.add_all(
        Dataset(version_id=version_id, name=f"data-{number}", digest=digest, uri="")
        for number, digest in enumerate(sorted(found), 1)
    )
    session.flush()


def _rename_parents(session: Session, version_id: int) -> None:
    """Versions of this registry stay named; what was said of others goes."""
    found = session.execute(
        delete(Derivation)
        .where(Derivation.version_id == version_id, Derivation.parent_id.is_(None))
        .returning(Derivation.relation)
    ).scalars()
    session.add_all(
        Derivation(version_id=version_id, relation=relation, reference=f"erased-{number}")
        for number, relation in enumerate(sorted(found), 1)
    )
    session.flush()
