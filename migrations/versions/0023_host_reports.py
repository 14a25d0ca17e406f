"""what hosts have and hold, and the last lines that their instances wrote

Revision: 0023
Follows: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host_reports",
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("reported_by", sa.String(length=128), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("page_logs", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_host_reports")),
    )
    op.create_index(op.f("ix_host_reports_reported_at"), "host_reports", ["reported_at"])
    op.create_table(
        "instance_logs",
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("instance", sa.String(length=256), nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("host", "instance", name=op.f("pk_instance_logs")),
    )
    op.create_index(
        op.f("ix_instance_logs_environment_name"), "instance_logs", ["environment", "name"]
    )
    op.create_index(op.f("ix_instance_logs_model_version"), "instance_logs", ["model", "version"])
    op.create_index(op.f("ix_instance_logs_written_at"), "instance_logs", ["written_at"])


def downgrade() -> None:
    op.drop_table("instance_logs")
    op.drop_table("host_reports")
