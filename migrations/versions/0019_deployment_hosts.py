"""which deployment is on which host, and which have an experiment or wait to be promoted to

Revision: 0019
Follows: 0018
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_WORDS = ("sync", "health", "trust")


def upgrade() -> None:
    hosts = op.create_table(
        "deployment_hosts",
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        *(sa.Column(word, sa.String(length=32), nullable=False) for word in _WORDS),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("host", "environment", "name", name=op.f("pk_deployment_hosts")),
    )
    op.create_index(
        op.f("ix_deployment_hosts_environment_name"), "deployment_hosts", ["environment", "name"]
    )
    for column in ("experiment", "promotion"):
        op.add_column(
            "deployments", sa.Column(column, sa.String(128), server_default="", nullable=False)
        )
        op.create_index(op.f(f"ix_deployments_{column}"), "deployments", [column])
    op.create_index(op.f("ix_deployments_updated_at"), "deployments", ["updated_at"])
    bind = op.get_bind()
    deployments = sa.table(
        "deployments",
        sa.column("environment", sa.String),
        sa.column("name", sa.String),
        sa.column("document", sa.JSON),
        sa.column("experiment", sa.String),
        sa.column("promotion", sa.String),
    )
    columns = deployments.c
    rows = bind.execute(sa.select(columns.environment, columns.name, columns.document)).all()
    for environment, name, document in rows:
        known = document if isinstance(document, dict) else {}
        for row in _hosts(known):
            bind.execute(sa.insert(hosts).values(environment=environment, name=name, **row))
        key = (columns.environment == environment) & (columns.name == name)
        bind.execute(sa.update(deployments).where(key).values(_besides(known)))


def downgrade() -> None:
    op.drop_index(op.f("ix_deployments_updated_at"), "deployments")
    for column in ("promotion", "experiment"):
        op.drop_index(op.f(f"ix_deployments_{column}"), "deployments")
    with op.batch_alter_table("deployments") as table:
        table.drop_column("promotion")
        table.drop_column("experiment")
    op.drop_index(op.f("ix_deployment_hosts_environment_name"), "deployment_hosts")
    op.drop_table("deployment_hosts")


def _hosts(document: dict[str, Any]) -> list[dict[str, Any]]:
    listed = document.get("hosts")
    found: dict[str, dict[str, Any]] = {}
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get("host"), str) or not item["host"]:
            continue
        serving = item.get("serving")
        of = serving if isinstance(serving, dict) else {}
        version = of.get("version")
        # The next report says how it stands.
        found[item["host"][:128]] = {
            "host": item["host"][:128],
            "model": str(of.get("model") or "")[:128],
            "version": version if isinstance(version, int) else 0,
            **{word: str(item.get(word) or "Unknown")[:32] for word in _WORDS},
            "severity": 3,
        }
    return list(found.values())


def _besides(document: dict[str, Any]) -> dict[str, str]:
    experiment = document.get("experiment")
    name = experiment.get("name") if isinstance(experiment, dict) else ""
    return {"experiment": name[:128] if isinstance(name, str) else ""}
