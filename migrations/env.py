"""Runs migrations over the connection the registry hands in, or over PLIMSOLL_DATABASE_URL."""

import os
from typing import Literal

from alembic import context
from sqlalchemy import Connection

from registry.db import engine, migrate, schema
from registry.db.tables import Instant


def rendered(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Our column types as plain ones: an old migration must not depend on today's code."""
    if kind == "type" and isinstance(item, Instant):
        return "sa.DateTime(timezone=True)"
    return False


def run(connection: Connection) -> None:
    migrate.take_turns(connection)
    context.configure(
        connection=connection,
        target_metadata=schema.METADATA,
        compare_type=True,
        render_item=rendered,
        # SQLite cannot alter a column in place; alembic copies the table instead.
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


connection: Connection | None = context.config.attributes.get("connection")
if connection is not None:
    run(connection)
else:
    database = engine.connect(os.environ["PLIMSOLL_DATABASE_URL"])
    with database.migrating() as opened:
        run(opened)
