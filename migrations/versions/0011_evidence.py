"""evidence: signed statements about a variant, each with its entry in the log

Revision: 0011
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "evidence",
        sa.Column("log_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version_id", _ROW_ID, nullable=False),
        sa.Column("variant_id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("statement", sa.String(length=71), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("signer", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("revokes", sa.String(length=71), nullable=False),
        sa.Column("revoked_by", sa.BigInteger(), nullable=True),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("bundle_digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["log_index"], ["log_entries.index"], name=op.f("fk_evidence_log_index")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_evidence_version_id")
        ),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_evidence_variant_id")
        ),
        sa.ForeignKeyConstraint(
            ["revoked_by"], ["log_entries.index"], name=op.f("fk_evidence_revoked_by")
        ),
        sa.PrimaryKeyConstraint("log_index", name=op.f("pk_evidence")),
        sa.UniqueConstraint(
            "variant_id", "statement", name=op.f("uq_evidence_variant_id_statement")
        ),
    )
    op.create_index(
        op.f("ix_evidence_version_id_log_index"), "evidence", ["version_id", "log_index"]
    )
    op.create_index(op.f("ix_evidence_manifest"), "evidence", ["manifest"])
    op.create_index(op.f("ix_evidence_bundle_digest"), "evidence", ["bundle_digest"])


def downgrade() -> None:
    op.drop_table("evidence")
