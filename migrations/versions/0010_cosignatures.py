"""what witnesses say of the log's checkpoints

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_cosignatures",
        sa.Column("witness", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("witness", name=op.f("pk_log_cosignatures")),
    )
    for name in ("cosigned", "contradiction"):
        column = sa.Column(name, sa.Text(), nullable=False, server_default="")
        op.add_column("log_head", column)


def downgrade() -> None:
    with op.batch_alter_table("log_head") as table:
        table.drop_column("contradiction")
        table.drop_column("cosigned")
    op.drop_table("log_cosignatures")
