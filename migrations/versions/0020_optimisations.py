"""recipes that the registry runs

Revision: 0020
Follows: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "optimisations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("version_id", _ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=32), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_optimisations_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_optimisations")),
    )
    for column in ("version_id", "state", "created_at"):
        op.create_index(op.f(f"ix_optimisations_{column}"), "optimisations", [column])
    op.create_table(
        "optimisation_files",
        sa.Column("optimisation_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["optimisation_id"],
            ["optimisations.id"],
            name=op.f("fk_optimisation_files_optimisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["blobs.digest"], name=op.f("fk_optimisation_files_digest")
        ),
        sa.PrimaryKeyConstraint(
            "optimisation_id", "role", "path", name=op.f("pk_optimisation_files")
        ),
    )
    op.create_index(op.f("ix_optimisation_files_digest"), "optimisation_files", ["digest"])


def downgrade() -> None:
    op.drop_index(op.f("ix_optimisation_files_digest"), table_name="optimisation_files")
    op.drop_table("optimisation_files")
    for column in ("created_at", "state", "version_id"):
        op.drop_index(op.f(f"ix_optimisations_{column}"), table_name="optimisations")
    op.drop_table("optimisations")
