"""watermarks: master keys, the marks of variants, and the originals these were made from

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("variants", sa.Column("watermark", sa.JSON(), nullable=True))
    op.create_table(
        "watermark_keys",
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_watermark_keys")),
    )
    op.create_table(
        "watermarks",
        sa.Column("variant_id", _ROW_ID, autoincrement=False, nullable=False),
        sa.Column("content", sa.String(length=71), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("scheme", sa.String(length=16), nullable=False),
        sa.Column("alpha", sa.Float(53), nullable=False),
        sa.Column("weights", sa.BigInteger(), nullable=False),
        sa.Column("predicted_z", sa.Float(53), nullable=False),
        sa.Column("commitment", sa.String(length=71), nullable=False),
        sa.Column("statement", sa.String(length=71), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trial", sa.JSON(), nullable=False),
        sa.Column("weights_map", sa.LargeBinary(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_watermarks_variant_id")
        ),
        sa.ForeignKeyConstraint(
            ["epoch"], ["watermark_keys.epoch"], name=op.f("fk_watermarks_epoch")
        ),
        sa.ForeignKeyConstraint(
            ["log_index"], ["log_entries.index"], name=op.f("fk_watermarks_log_index")
        ),
        sa.PrimaryKeyConstraint("variant_id", name=op.f("pk_watermarks")),
        sa.UniqueConstraint("log_index", name=op.f("uq_watermarks_log_index")),
    )
    op.create_index(op.f("ix_watermarks_content_epoch"), "watermarks", ["content", "epoch"])
    op.create_table(
        "watermark_sources",
        sa.Column("variant_id", _ROW_ID, nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("is_changed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_watermark_sources_variant_id")
        ),
        sa.PrimaryKeyConstraint("variant_id", "path", name=op.f("pk_watermark_sources")),
    )
    op.create_index(op.f("ix_watermark_sources_digest"), "watermark_sources", ["digest"])


def downgrade() -> None:
    op.drop_table("watermark_sources")
    op.drop_table("watermarks")
    op.drop_table("watermark_keys")
    # Not in a batch: on SQLite that makes the table anew, and rows of others refer to it.
    op.drop_column("variants", "watermark")
