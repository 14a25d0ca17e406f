"""wrapped keys of stored blobs, and the list of destroyed ones

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blob_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_by", sa.String(length=256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_keys")),
    )
    op.create_index(op.f("ix_blob_keys_digest"), "blob_keys", ["digest"], unique=False)
    op.create_index(op.f("ix_blob_keys_wrapped_by"), "blob_keys", ["wrapped_by"], unique=False)
    op.create_table(
        "destroyed_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("destroyed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destroyed_keys")),
    )


def downgrade() -> None:
    op.drop_table("destroyed_keys")
    op.drop_table("blob_keys")
