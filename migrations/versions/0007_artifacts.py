"""the artifact tree of the MLflow dialect, and versions being checked

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Compared byte by byte, whatever the database's own collation.
_PATH = sa.String(length=512).with_variant(sa.String(length=512, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("path", _PATH, nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_artifacts_digest")),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_artifacts")),
    )
    op.create_index(op.f("ix_artifacts_digest"), "artifacts", ["digest"], unique=False)
    op.create_index(op.f("ix_artifacts_created_at"), "artifacts", ["created_at"], unique=False)
    op.create_table(
        "registrations",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("run_link", sa.Text(), nullable=False),
        sa.Column("model_id", sa.String(length=256), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.Column("origin_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("signature", sa.String(length=71), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_registrations_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["origin_id"], ["variants.id"], name=op.f("fk_registrations_origin_id")
        ),
        sa.ForeignKeyConstraint(
            ["signature"], ["blobs.digest"], name=op.f("fk_registrations_signature")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_registrations")),
    )
    op.create_index(
        op.f("ix_registrations_signature"), "registrations", ["signature"], unique=False
    )
    op.create_table(
        "registration_files",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["registrations.version_id"],
            name=op.f("fk_registration_files_version_id"),
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["blobs.digest"], name=op.f("fk_registration_files_digest")
        ),
        sa.PrimaryKeyConstraint("version_id", "path", name=op.f("pk_registration_files")),
    )
    op.create_index(
        op.f("ix_registration_files_digest"), "registration_files", ["digest"], unique=False
    )


def downgrade() -> None:
    op.drop_table("registration_files")
    op.drop_table("registrations")
    op.drop_table("artifacts")
