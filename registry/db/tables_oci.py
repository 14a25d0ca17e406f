"""The tables of OCI repositories: what clients pushed, and what of our own they can look up.

Versions are not copied here: a model's repository shows them out of the catalogue. Names and
tags compare byte by byte on every database, for they are handed out in that order.
"""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.db.tables import Instant, Table


def _exact(length: int) -> String:
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Repository(Table):
    """A name that something was pushed to."""

    __tablename__ = "oci_repositories"

    name: Mapped[str] = mapped_column(_exact(255), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class BlobLink(Table):
    """That a blob was pushed to, or mounted in, a repository: only then it is read there.

    It keeps no bytes alive; where a sweep took them, the link says nothing.
    """

    __tablename__ = "oci_blob_links"

    repository: Mapped[str] = mapped_column(ForeignKey("oci_repositories.name"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class Manifest(Table):
    """A manifest as it was pushed, byte for byte; `subject` null where it is about nothing."""

    __tablename__ = "oci_manifests"
    __table_args__ = (Index(None, "repository", "subject"),)

    repository: Mapped[str] = mapped_column(ForeignKey("oci_repositories.name"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(255))
    artifact_type: Mapped[str] = mapped_column(String(255))
    annotations: Mapped[dict[str, str]] = mapped_column(JSON)
    subject: Mapped[str | None] = mapped_column(String(71))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(Instant)


class ManifestBlob(Table):
    """That a manifest refers to a blob, and so keeps it."""

    __tablename__ = "oci_manifest_blobs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["repository", "manifest"], ["oci_manifests.repository", "oci_manifests.digest"]
        ),
    )

    repository: Mapped[str] = mapped_column(_exact(255), primary_key=True)
    manifest: Mapped[str] = mapped_column(String(71), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("blobs.digest"), primary_key=True, index=True)


class ManifestChild(Table):
    """That an index lists another manifest of its repository."""

    __tablename__ = "oci_manifest_children"
    __table_args__ = (
        ForeignKeyConstraint(
            ["repository", "manifest"], ["oci_manifests.repository", "oci_manifests.digest"]
        ),
        Index(None, "repository", "child"),
    )

    repository: Mapped[str] = mapped_column(_exact(255), primary_key=True)
    manifest: Mapped[str] = mapped_column(String(71), primary_key=True)
    child: Mapped[str] = mapped_column(String(71), primary_key=True)


class Tag(Table):
    """A name that moves, and the manifest it stands for: pushed, or a version's."""

    __tablename__ = "oci_tags"
    __table_args__ = (Index(None, "repository", "digest"),)

    repository: Mapped[str] = mapped_column(ForeignKey("oci_repositories.name"), primary_key=True)
    tag: Mapped[str] = mapped_column(_exact(128), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71))
    updated_at: Mapped[datetime] = mapped_column(Instant)


class Evidence(Table):
    """What the artifact that carries one of a variant's bundles is called, and the bundle itself.

    `what` is publisher, registry, derivation or marked; the bytes are made again when asked for.
    """

    __tablename__ = "oci_evidence"

    variant_id: Mapped[int] = mapped_column(ForeignKey("variants.id"), primary_key=True)
    what: Mapped[str] = mapped_column(String(16), primary_key=True)
    manifest: Mapped[str] = mapped_column(String(71), index=True)
    bundle: Mapped[str] = mapped_column(String(71), index=True)
