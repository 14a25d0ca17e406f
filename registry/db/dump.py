"""Rows out of one database and into another, of whatever kind: one JSON array a row.

Each table's columns are named with their kinds, so that rows can be put back under the schema
they were taken from, whatever today's program looks like.
"""

import base64
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause
from sqlalchemy.exc import DataError, StatementError
from sqlalchemy.orm import Session

from registry import errors
from registry.core import fields
from registry.core.canonical import Json
from registry.db import schema
from registry.db.tables import Instant

_TOGETHER = 500
# Keys are saved with the bytes that they open (registry.usecases.sealed_copies); documents that
# are kept ready are made anew from the rest. A restored registry knows no reconciler: epochs of
# leases stay, so that whoever held one before is not taken for its holder. Lines of hosts may name
# persons, and are told anew.
_LEFT_OUT = frozenset(
    {
        "leases",
        "blob_keys",
        "version_documents",
        "reconcilers",
        "sessions",
        "host_reports",
        "instance_logs",
    }
)
_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")
_TYPES: dict[str, Any] = {
    "text": sa.Text(),
    "integer": sa.BigInteger(),
    "number": sa.Float(53),
    "boolean": sa.Boolean(),
    "bytes": sa.LargeBinary(),
    "instant": sa.DateTime(timezone=True),
    "json": sa.JSON(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """Its name, and one of `_TYPES`."""

    name: str
    kind: str


def unbounded(session: Session | Connection) -> None:
    """Let this transaction take as long as it must, and wait in between."""
    bind = session.get_bind() if isinstance(session, Session) else session
    if bind.dialect.name == "postgresql":
        for name in _LIMITS:
            session.execute(sa.text(f"SET LOCAL {name} = 0"))


def tables() -> list[str]:
    """All tables, each after those that it refers to."""
    return [one.name for one in schema.METADATA.sorted_tables if one.name not in _LEFT_OUT]


def columns(table: str) -> list[Column]:
    """What `rows` gives of each row."""
    return [Column(one.name, _kind(one.type)) for one in schema.METADATA.tables[table].columns]


def rows(session: Session, table: str) -> Iterator[list[Json]]:
    """All rows, by primary key."""
    found = schema.METADATA.tables[table]
    statement = sa.select(found).order_by(*found.primary_key.columns)
    kinds = [column.kind for column in columns(table)]
    for row in session.execute(statement.execution_options(yield_per=_TOGETHER)):
        yield [_shown(kind, value) for kind, value in zip(kinds, row, strict=True)]


def is_empty(connection: Connection) -> bool:
    """Whether there is no table, or no row in any."""
    found = sa.inspect(connection).get_table_names()
    known = [name for name in found if name != "alembic_version"]
    return not any(
        connection.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first()
        for name in known
    )


def names(connection: Connection) -> set[str]:
    """The tables that must come back."""
    return set(sa.inspect(connection).get_table_names()) - _LEFT_OUT - {"alembic_version"}


def load(
    connection: Connection, table: str, listed: Sequence[Column], found: Iterable[Json]
) -> int:
    """Insert the rows, and count on from their ids; says how many there were.

    Raises IntegrityError where they do not fit the table.
    """
    there = {str(one["name"]) for one in sa.inspect(connection).get_columns(table)}
    if there != {column.name for column in listed} or not all(c.kind in _TYPES for c in listed):
        raise errors.IntegrityError(f"table {table} has other columns than its schema says")
    target = sa.table(table, *(sa.column(one.name, _TYPES[one.kind]) for one in listed))
    count, left = 0, iter(found)
    try:
        while batch := list(islice(left, _TOGETHER)):
            connection.execute(sa.insert(target), [_row(listed, row, table) for row in batch])
            count += len(batch)
    except (DataError, StatementError, ValueError) as error:
        raise errors.IntegrityError(
            f"table {table}: rows {count + 1} to {count + len(batch)} do not fit this database: "
            f"{str(getattr(error, 'orig', error)).splitlines()[0][:200]}",
            fix="restore into the kind of database that the backup was taken from",
        ) from error
    _count_on(connection, target, listed)
    return count


def _count_on(connection: Connection, target: TableClause, listed: Sequence[Column]) -> None:
    """PostgreSQL's sequences do not see rows that came with their ids."""
    if connection.dialect.name != "postgresql" or "id" not in {one.name for one in listed}:
        return
    sequence = connection.execute(
        sa.select(sa.func.pg_get_serial_sequence(target.name, "id"))
    ).scalar_one()
    if sequence is not None:
        highest = sa.select(sa.func.max(target.c.id)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(sequence, highest)).where(highest.is_not(None)))


def _kind(column: Any) -> str:
    if isinstance(column, Instant):
        return "instant"
    for name, kind in (
        ("bytes", sa.LargeBinary),
        ("json", sa.JSON),
        ("boolean", sa.Boolean),
        ("number", sa.Float),
        ("integer", sa.Integer),
    ):
        if isinstance(column, kind):
            return name
    if isinstance(column, sa.String):
        return "text"
    raise errors.IntegrityError(f"a column of type {column!r} cannot be backed up")


def _shown(kind: str, value: Any) -> Json:
    if value is None:
        return None
    match kind:
        case "bytes":
            return base64.b64encode(value).decode()
        case "instant":
            return str(value.astimezone(UTC).isoformat())
        case "number":
            return float(value) if math.isfinite(value) else str(value)
        case _:
            shown: Json = value
            return shown


def _row(listed: Sequence[Column], row: Json, table: str) -> dict[str, object]:
    if not isinstance(row, list) or len(row) != len(listed):
        raise errors.IntegrityError(f"table {table} has a row that is none")
    return {
        column.name: _value(column.kind, value) for column, value in zip(listed, row, strict=True)
    }


def _value(kind: str, value: Json) -> object:
    if value is None:
        return None
    match kind:
        case "bytes":
            return fields.unbase64(value, what="a column of bytes")
        case "instant":
            return datetime.fromisoformat(str(value))
        case "number":
            return float(value) if isinstance(value, int | float | str) else value
        case _:
            return value
