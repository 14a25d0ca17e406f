"""what is said of models and versions: tags, metrics, parameters, data sets, lineage

What stood in one JSON document gets columns and tables that can be searched. On the way down it
goes back into the document; what the old schema has no place for is lost there.

Revision: 0003
Follows: 0002
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    "derivations", "version_datasets", "version_parameters", "version_metrics", "version_tags",
    "model_tags",
)  # fmt: skip


def upgrade() -> None:
    _create()
    op.drop_index("ix_alias_history_model_alias", "alias_history")
    op.create_index("ix_alias_history_model_alias_id", "alias_history", ["model", "alias", "id"])
    _spread_details()
    op.drop_column("versions", "details")


def downgrade() -> None:
    op.add_column("versions", sa.Column("details", sa.JSON(), nullable=True))
    _gather_details()
    op.drop_index("ix_alias_history_model_alias_id", "alias_history")
    op.create_index("ix_alias_history_model_alias", "alias_history", ["model", "alias"])
    for name in _TABLES:
        op.drop_table(name)


def _spread_details() -> None:
    bind = op.get_bind()
    for row_id, found in bind.execute(sa.text("SELECT id, details FROM versions")).all():
        details = _document(found)
        bind.execute(
            sa.text(
                'UPDATE versions SET description = :said, "commit" = :git_commit WHERE id = :id'
            ),
            {
                "said": str(details.get("description", "")),
                "git_commit": str(details.get("commit", "")),
                "id": row_id,
            },
        )
        for key, value in details.get("metrics", {}).items():
            bind.execute(
                sa.text("INSERT INTO version_metrics VALUES (:id, :key, :value)"),
                {"id": row_id, "key": key[:256], "value": float(value)},
            )
        for key, value in details.get("parameters", {}).items():
            text = value if isinstance(value, str) else json.dumps(value)
            bind.execute(
                sa.text("INSERT INTO version_parameters VALUES (:id, :key, :value, :start)"),
                {"id": row_id, "key": key[:256], "value": text, "start": text[:128]},
            )


def _gather_details() -> None:
    bind = op.get_bind()
    rows = bind.execute(sa.text('SELECT id, description, "commit" FROM versions')).all()
    for row_id, description, commit in rows:
        details: dict[str, Any] = {"description": description, "commit": commit}
        for name in ("metrics", "parameters"):
            found = bind.execute(
                sa.text(f"SELECT key, value FROM version_{name} WHERE version_id = :id"),  # noqa: S608  our names
                {"id": row_id},
            )
            details[name] = {row.key: row.value for row in found}
        kept = {key: value for key, value in details.items() if value}
        bind.execute(
            sa.text("UPDATE versions SET details = :details WHERE id = :id").bindparams(
                sa.bindparam("details", type_=sa.JSON())
            ),
            {"details": kept, "id": row_id},
        )


def _document(found: object) -> dict[str, Any]:
    """JSON comes parsed from PostgreSQL and as text from SQLite."""
    document = json.loads(found) if isinstance(found, str) else found
    return document if isinstance(document, dict) else {}


def _create() -> None:
    op.create_table(
        "model_tags",
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("start", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name=op.f("fk_model_tags_model")),
        sa.PrimaryKeyConstraint("model", "key", name=op.f("pk_model_tags")),
    )
    op.create_index(
        op.f("ix_model_tags_key_start_model"), "model_tags", ["key", "start", "model"], unique=False
    )
    op.create_table(
        "version_tags",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("start", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_version_tags_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_version_tags")),
    )
    op.create_index(
        op.f("ix_version_tags_key_start_version_id"),
        "version_tags",
        ["key", "start", "version_id"],
        unique=False,
    )
    op.create_table(
        "version_metrics",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_version_metrics_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_version_metrics")),
    )
    op.create_index(
        op.f("ix_version_metrics_key_value_version_id"),
        "version_metrics",
        ["key", "value", "version_id"],
        unique=False,
    )
    op.create_table(
        "version_parameters",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("start", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_version_parameters_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "key", name=op.f("pk_version_parameters")),
    )
    op.create_index(
        op.f("ix_version_parameters_key_start_version_id"),
        "version_parameters",
        ["key", "start", "version_id"],
        unique=False,
    )
    op.create_table(
        "version_datasets",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("uri", sa.String(length=1024), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_version_datasets_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "name", name=op.f("pk_version_datasets")),
    )
    op.create_index(
        op.f("ix_version_datasets_digest"), "version_datasets", ["digest"], unique=False
    )
    op.create_index(op.f("ix_version_datasets_name"), "version_datasets", ["name"], unique=False)
    op.create_table(
        "derivations",
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("relation", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=512), nullable=False),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["versions.id"], name=op.f("fk_derivations_parent_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["versions.id"], name=op.f("fk_derivations_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "relation", "reference", name=op.f("pk_derivations")),
    )
    op.create_index(op.f("ix_derivations_parent_id"), "derivations", ["parent_id"], unique=False)
