"""OCI repositories, manifests, tags and referrers

Versions that are there already get the names of their evidence; it is made as registry.core
.oci_documents made it when this was written, for these names never change.

Revision: 0004
Follows: 0003
"""

import base64
import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = (
    "oci_evidence", "oci_tags", "oci_manifest_children", "oci_manifest_blobs", "oci_manifests",
    "oci_blob_links", "oci_repositories",
)  # fmt: skip
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_IMAGE = "application/vnd.oci.image.manifest.v1+json"


def upgrade() -> None:
    _create_repositories()
    _create_manifests()
    _create_references()
    op.create_table(
        "oci_evidence",
        sa.Column(
            "variant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("what", sa.String(length=16), nullable=False),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("bundle", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_oci_evidence_variant_id")
        ),
        sa.PrimaryKeyConstraint("variant_id", "what", name=op.f("pk_oci_evidence")),
    )
    op.create_index(op.f("ix_oci_evidence_manifest"), "oci_evidence", ["manifest"], unique=False)
    op.create_index(op.f("ix_oci_evidence_bundle"), "oci_evidence", ["bundle"], unique=False)
    _name_evidence()


def downgrade() -> None:
    for name in _TABLES:
        op.drop_table(name)


def _exact(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _create_repositories() -> None:
    op.create_table(
        "oci_repositories",
        sa.Column("name", _exact(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_oci_repositories")),
    )
    op.create_table(
        "oci_blob_links",
        sa.Column("repository", _exact(255), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["oci_repositories.name"], name=op.f("fk_oci_blob_links_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "digest", name=op.f("pk_oci_blob_links")),
    )
    op.create_index(op.f("ix_oci_blob_links_digest"), "oci_blob_links", ["digest"], unique=False)


def _create_manifests() -> None:
    op.create_table(
        "oci_manifests",
        sa.Column("repository", _exact(255), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("artifact_type", sa.String(length=255), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("subject", sa.String(length=71), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["oci_repositories.name"], name=op.f("fk_oci_manifests_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "digest", name=op.f("pk_oci_manifests")),
    )
    op.create_index(
        op.f("ix_oci_manifests_repository_subject"),
        "oci_manifests",
        ["repository", "subject"],
        unique=False,
    )
    op.create_table(
        "oci_tags",
        sa.Column("repository", _exact(255), nullable=False),
        sa.Column("tag", _exact(128), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository"], ["oci_repositories.name"], name=op.f("fk_oci_tags_repository")
        ),
        sa.PrimaryKeyConstraint("repository", "tag", name=op.f("pk_oci_tags")),
    )
    op.create_index(
        op.f("ix_oci_tags_repository_digest"), "oci_tags", ["repository", "digest"], unique=False
    )


def _create_references() -> None:
    op.create_table(
        "oci_manifest_blobs",
        sa.Column("repository", _exact(255), nullable=False),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "manifest"],
            ["oci_manifests.repository", "oci_manifests.digest"],
            name=op.f("fk_oci_manifest_blobs_repository_manifest"),
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["blobs.digest"], name=op.f("fk_oci_manifest_blobs_digest")
        ),
        sa.PrimaryKeyConstraint(
            "repository", "manifest", "digest", name=op.f("pk_oci_manifest_blobs")
        ),
    )
    op.create_index(
        op.f("ix_oci_manifest_blobs_digest"), "oci_manifest_blobs", ["digest"], unique=False
    )
    op.create_table(
        "oci_manifest_children",
        sa.Column("repository", _exact(255), nullable=False),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("child", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "manifest"],
            ["oci_manifests.repository", "oci_manifests.digest"],
            name=op.f("fk_oci_manifest_children_repository_manifest"),
        ),
        sa.PrimaryKeyConstraint(
            "repository", "manifest", "child", name=op.f("pk_oci_manifest_children")
        ),
    )
    op.create_index(
        op.f("ix_oci_manifest_children_repository_child"),
        "oci_manifest_children",
        ["repository", "child"],
        unique=False,
    )


def _name_evidence() -> None:
    bind = op.get_bind()
    found = sa.text("SELECT id, manifest, publisher_bundle, registry_bundle FROM variants")
    add = sa.text("INSERT INTO oci_evidence VALUES (:id, :what, :manifest, :bundle)")
    for row_id, manifest, by_publisher, by_registry in bind.execute(found).all():
        bundles = {"publisher": bytes(by_publisher), "registry": bytes(by_registry)}
        for what, bundle in bundles.items():
            made = _manifest(bundle, bytes(manifest))
            names = {"id": row_id, "what": what, "manifest": _of(made), "bundle": _of(bundle)}
            bind.execute(add, names)


def _manifest(bundle: bytes, subject: bytes) -> bytes:
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": _IMAGE,
        "artifactType": _BUNDLE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": _of(b"{}"),
            "size": 2,
            "data": "e30=",
        },
        "layers": [{"mediaType": _BUNDLE, "digest": _of(bundle), "size": len(bundle)}],
        "subject": {"mediaType": _IMAGE, "digest": _of(subject), "size": len(subject)},
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": _predicate_type(bundle),
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _predicate_type(bundle: bytes) -> str:
    """A database that comes from a newer schema has newer statements."""
    payload = base64.b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])
    return str(json.loads(payload)["predicateType"])


def _of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
