"""how deployments stand, in columns that lists and counts are made of

Revision: 0017
Follows: 0016
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ORDER = (
    ("Degraded", "Refused"),
    ("Missing", "Unverified", "Unreachable"),
    ("Progressing", "OutOfSync"),
    ("Suspended", "Unknown"),
    ("Synced", "Healthy", "Verified"),
)
_INDEXED = ["severity", "environment", "name", "sync", "health", "trust", "model"]


def upgrade() -> None:
    op.add_column("deployments", _text("model", 128, ""))
    for name in ("sync", "health", "trust"):
        op.add_column("deployments", _text(name, 32, "Unknown"))
    op.add_column(
        "deployments", sa.Column("severity", sa.Integer(), server_default="3", nullable=False)
    )
    deployments = sa.table(
        "deployments",
        sa.column("environment", sa.String),
        sa.column("name", sa.String),
        sa.column("document", sa.JSON),
        *(sa.column(name, sa.String) for name in ("model", "sync", "health", "trust")),
        sa.column("severity", sa.Integer),
    )
    bind = op.get_bind()
    rows = bind.execute(
        sa.select(deployments.c.environment, deployments.c.name, deployments.c.document)
    ).all()
    for environment, name, document in rows:
        key = (deployments.c.environment == environment) & (deployments.c.name == name)
        bind.execute(sa.update(deployments).where(key).values(_standing(document)))
    op.create_index(op.f("ix_deployments_severity_environment_name_sync_health_trust_model"),
                    "deployments", _INDEXED)  # fmt: skip


def downgrade() -> None:
    op.drop_index(
        op.f("ix_deployments_severity_environment_name_sync_health_trust_model"), "deployments"
    )
    with op.batch_alter_table("deployments") as table:
        for name in ("severity", "trust", "health", "sync", "model"):
            table.drop_column(name)


def _text(name: str, length: int, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), server_default=default, nullable=False)


def _standing(document: Any) -> dict[str, Any]:
    words = {name: _word(document, name) for name in ("sync", "health", "trust")}
    desired = document.get("desired") if isinstance(document, dict) else None
    model = desired.get("model") if isinstance(desired, dict) else None
    places = [next((n for n, some in enumerate(_ORDER) if w in some), 3) for w in words.values()]
    return {**words, "model": model if isinstance(model, str) else "", "severity": min(places)}


def _word(document: Any, name: str) -> str:
    said = document.get(name) if isinstance(document, dict) else None
    word = said.get("status") if isinstance(said, dict) else None
    return word[:32] if isinstance(word, str) and word else "Unknown"
