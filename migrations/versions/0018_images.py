"""runnable images that were composed of versions

Revision: 0018
Follows: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "image_layers",
        sa.Column("variant_id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["variant_id"], ["variants.id"], name=op.f("fk_image_layers_variant_id")
        ),
        sa.PrimaryKeyConstraint("variant_id", name=op.f("pk_image_layers")),
    )
    op.create_index(op.f("ix_image_layers_digest"), "image_layers", ["digest"])
    op.create_table(
        "images",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("manifest", sa.String(length=71), nullable=False),
        sa.Column("variant_id", _ROW_ID, nullable=False),
        sa.Column("is_shown", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "manifest"],
            ["oci_manifests.repository", "oci_manifests.digest"],
            name=op.f("fk_images_repository_manifest"),
        ),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name=op.f("fk_images_variant_id")),
        sa.PrimaryKeyConstraint("repository", "manifest", name=op.f("pk_images")),
    )
    op.create_index(op.f("ix_images_variant_id"), "images", ["variant_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_images_variant_id"), table_name="images")
    op.drop_table("images")
    op.drop_index(op.f("ix_image_layers_digest"), table_name="image_layers")
    op.drop_table("image_layers")
