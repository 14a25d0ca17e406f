"""who did what the log tells, on which host and for which deployment, in the order of the log

Revision: 0022
Follows: 0021
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_COLUMNS = {"actor_role": 32, "actor_name": 255, "host": 255, "deployment": 255}
_ALWAYS = (["kind", "index"], ["actor_name", "index"])
_WHERE_SAID = (["model"], ["model", "version"], ["host"], ["deployment"])
_TOGETHER = 1000


def upgrade() -> None:
    for name, length in _COLUMNS.items():
        op.add_column("log_entries", sa.Column(name, sa.String(length=length), nullable=True))
    _file(op.get_bind())
    op.drop_index(op.f("ix_log_entries_kind"), "log_entries")
    op.drop_index(op.f("ix_log_entries_model_version"), "log_entries")
    for columns in _ALWAYS:
        op.create_index(op.f(f"ix_log_entries_{'_'.join(columns)}"), "log_entries", columns)
    for columns in _WHERE_SAID:
        is_said = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(
            op.f(f"ix_log_entries_{'_'.join(columns)}_index"),
            "log_entries",
            [*columns, "index"],
            sqlite_where=is_said,
            postgresql_where=is_said,
        )
    op.create_index(op.f("ix_evidence_signer_log_index"), "evidence", ["signer", "log_index"])
    op.create_index(op.f("ix_variants_publisher_log_index"), "variants", ["publisher", "log_index"])


def downgrade() -> None:
    op.drop_index(op.f("ix_variants_publisher_log_index"), "variants")
    op.drop_index(op.f("ix_evidence_signer_log_index"), "evidence")
    for columns in _WHERE_SAID:
        op.drop_index(op.f(f"ix_log_entries_{'_'.join(columns)}_index"), "log_entries")
    for columns in _ALWAYS:
        op.drop_index(op.f(f"ix_log_entries_{'_'.join(columns)}"), "log_entries")
    op.create_index(op.f("ix_log_entries_model_version"), "log_entries", ["model", "version"])
    op.create_index(op.f("ix_log_entries_kind"), "log_entries", ["kind"])
    # In place: SQLite's way round would make a table anew that others refer to.
    for name in _COLUMNS:
        op.drop_column("log_entries", name)


def _file(bind: sa.Connection) -> None:
    """From the leaves, which stay as they are, byte for byte; a thousand at a time."""
    table = sa.table("log_entries", sa.column("index"), sa.column("leaf", sa.LargeBinary),
                     *(sa.column(name, sa.String) for name in _COLUMNS))  # fmt: skip
    some = sa.select(table.c.index, table.c.leaf).order_by(table.c.index).limit(_TOGETHER)
    change = sa.update(table).where(table.c.index == sa.bindparam("at"))
    filing = change.values({name: sa.bindparam(name) for name in _COLUMNS})
    last = -1
    while found := bind.execute(some.where(table.c.index > last)).all():
        bind.execute(filing, [{"at": index, **_filed(leaf)} for index, leaf in found])
        last = found[-1][0]


def _filed(leaf: bytes) -> dict[str, Any]:
    said = _read(leaf)
    role, colon, name = str(said.get("actor", "")).partition(":")
    return {
        "actor_role": role if colon else "",
        "actor_name": name if colon else role,
        "host": said.get("host"),
        "deployment": said.get("deployment"),
    }


def _read(leaf: bytes) -> dict[str, Any]:
    """What cannot be read is nobody's: `plimsoll admin verify` tells of it."""
    try:
        said = json.loads(leaf)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
