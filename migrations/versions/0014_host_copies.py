"""host copies: what each host gets in place of a marked variant's files

Revision: 0014
Follows: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "host_copies",
        sa.Column("variant_id", _ROW_ID, nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("content", sa.String(length=71), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_host_copies_variant_id")
        ),
        sa.PrimaryKeyConstraint("variant_id", "host", name=op.f("pk_host_copies")),
    )
    op.create_table(
        "host_copy_files",
        sa.Column("variant_id", _ROW_ID, nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("source", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("patches", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id", "host"],
            ["host_copies.variant_id", "host_copies.host"],
            name=op.f("fk_host_copy_files_variant_id_host"),
        ),
        sa.PrimaryKeyConstraint("variant_id", "host", "path", name=op.f("pk_host_copy_files")),
    )
    op.create_index(op.f("ix_host_copy_files_digest_host"), "host_copy_files", ["digest", "host"])
    op.create_index(op.f("ix_host_copies_host"), "host_copies", ["host"])


def downgrade() -> None:
    op.drop_table("host_copy_files")
    op.drop_table("host_copies")
