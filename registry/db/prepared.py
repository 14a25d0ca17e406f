"""Statements that every request makes: written once for each database, run straight on the driver.

To find the way through SQLAlchemy again takes several times as long as such a statement itself.
What holds of its statements holds of these: the same types, the same failures, in the session's
transaction. Where somebody listens, as traces do, they go its way, and nothing is left out.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Select,
    String,
    Text,
    Update,
    any_,
    bindparam,
    func,
    insert,
    select,
)
from sqlalchemy.engine import Compiled, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from registry.db.as_one import GATHERED

Statement: TypeAlias = "Select[Any] | Insert | Update | Delete"
Values: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = list[tuple[Any, ...]]
# What was asked and is perhaps still on its way: to call it is to wait for it.
Asked: TypeAlias = Callable[[], Rows]
_NOTHING: Values = {}
_KEPT = "connection"


class Prepared:
    """One statement. Its values are single ones; for lists there is `Listed`."""

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self._written: dict[tuple[str, tuple[str, ...], bool], _Written] = {}

    def rows(self, on: Session | Connection, values: Values = _NOTHING) -> Rows:
        """What it finds, or returns of what it writes."""
        connection = connection_of(on)
        if connection.dispatch.before_cursor_execute:
            return [tuple(row) for row in connection.execute(self.statement, dict(values))]
        return self._for(connection.dialect, values).ask(connection, values)()

    def ask(self, on: Session | Connection, values: Values = _NOTHING) -> Asked:
        """As `rows`, which a block of `trips.together` need not wait for."""
        connection = connection_of(on)
        if connection.dispatch.before_cursor_execute or connection.dialect.name == "sqlite":
            found = self.rows(connection, values)
            return lambda: found
        written = self._for(connection.dialect, values)
        gathered = on.info.get(GATHERED)
        if gathered is None:
            return written.ask(connection, values)
        gathered.ask(written.text, written.bound(values))
        return lambda: written.fetched(connection, gathered.cursor)

    def row(self, on: Session | Connection, values: Values = _NOTHING) -> tuple[Any, ...] | None:
        """The one row that it finds, or None."""
        found = self.rows(on, values)
        return found[0] if found else None

    def write(self, session: Session, rows: Sequence[Values]) -> None:
        """Once with each of these, which have the same names."""
        connection = connection_of(session)
        if connection.dispatch.before_cursor_execute:
            connection.execute(self.statement, [dict(values) for values in rows])
            return
        if len(rows) == 1:
            written, values = self._for(connection.dialect, rows[0]), rows[0]
        elif connection.dialect.name == "sqlite":
            self._for(connection.dialect, rows[0]).run_all(connection, rows)
            return
        else:
            values = {name: [row[name] for row in rows] for name in rows[0]}
            written = self._for(connection.dialect, values, is_of_lists=True)
        gathered = session.info.get(GATHERED)
        if gathered is None:
            written.ask(connection, values)
        else:
            gathered.write(written.text, written.bound(values))

    def _for(self, dialect: Dialect, values: Values, *, is_of_lists: bool = False) -> "_Written":
        # An insert has the columns that it is given; elsewhere the names are always the same.
        names = tuple(values) if isinstance(self.statement, Insert) else ()
        key = dialect.name, names, is_of_lists
        found = self._written.get(key)
        if found is None:
            statement = _of_lists(self.statement, names) if is_of_lists else self.statement
            compiled = statement.compile(dialect=dialect, column_keys=list(names) or None)
            found = self._written[key] = _Written(statement, compiled)
        return found


def _of_lists(statement: Statement, names: Sequence[str]) -> Insert:
    """The insert with a list for each column: one text, however many rows, on PostgreSQL."""
    assert isinstance(statement, Insert)  # noqa: S101  what is written in many rows
    columns = [statement.table.c[name] for name in names]
    # A text is sent as long as it is: a list of VARCHAR(n) would be cut, and nobody told.
    kinds = (Text() if isinstance(one.type, String) else one.type for one in columns)
    lists = (
        func.unnest(bindparam(one.name, type_=ARRAY(kind)))
        for one, kind in zip(columns, kinds, strict=True)
    )
    return insert(statement.table).from_select(columns, select(*lists), include_defaults=False)


def straight(connection: Connection, text: str) -> None:
    """A statement of the driver's own, without values or rows."""
    if connection.dispatch.before_cursor_execute:
        connection.exec_driver_sql(text)
        return
    try:
        connection.connection.cursor().execute(text)
    except Exception as failure:
        raise named(connection, text, failure) from failure


class Listed:
    """A statement for those rows whose `column` is in a list: one text, however long the list."""

    def __init__(self, statement: "Select[Any]", column: ColumnElement[Any]) -> None:
        each = func.json_each(bindparam("listed")).table_valued("value")
        wanted = bindparam("listed", type_=ARRAY(column.type))
        self._in_json = Prepared(statement.where(column.in_(select(each.c.value))))
        self._in_array = Prepared(statement.where(column == any_(wanted)))

    def rows(self, on: Session | Connection, listed: Sequence[str] | Sequence[int]) -> Rows:
        """Those that are there."""
        return self.ask(on, listed)()

    def ask(self, on: Session | Connection, listed: Sequence[str] | Sequence[int]) -> Asked:
        """As `rows`, which a block of `trips.together` need not wait for."""
        connection = connection_of(on)
        if connection.dialect.name == "sqlite":
            return self._in_json.ask(connection, {"listed": json.dumps(listed)})
        return self._in_array.ask(connection, {"listed": list(listed)})


@dataclass(frozen=True, slots=True)
class _Bind:
    """A place in the text: its name, the value that it has by itself, how its type is sent."""

    name: str
    default: Any
    processor: Any


class _Written:
    """The statement's text for one database, and how its values and rows are taken over."""

    def __init__(self, statement: Statement, compiled: Compiled) -> None:
        assert isinstance(compiled, SQLCompiler)  # noqa: S101  what these statements become
        self.text = str(compiled)
        dialect, own = compiled.dialect, compiled.params
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        # One name may stand at several places.
        names = compiled.positiontup if compiled.positional else binds
        self._is_positional = compiled.positional
        self._binds = [
            _Bind(name, own[name], _impl(binds[name], dialect).bind_processor(dialect))
            for name in names or ()
        ]
        self._columns = [_impl(column, dialect) for column in statement.exported_columns]
        # What the driver's values are read by depends on how it names their types.
        self._readers: Sequence[Any] | None = None

    def ask(self, connection: Connection, values: Values) -> Asked:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self.text, self.bound(values))
        except Exception as failure:
            raise named(connection, self.text, failure) from failure
        return partial(self.fetched, connection, cursor) if self._columns else list

    def fetched(self, connection: Connection, cursor: Any) -> Rows:
        try:
            rows: Any = cursor.fetchall()
        except Exception as failure:
            raise named(connection, self.text, failure) from failure
        return self._read(connection.dialect, cursor.description, rows) if rows else []

    def run_all(self, connection: Connection, many: Sequence[Values]) -> None:
        bound = [self.bound(values) for values in many]
        try:
            connection.connection.cursor().executemany(self.text, bound)
        except Exception as failure:
            raise named(connection, self.text, failure) from failure

    def bound(self, values: Values) -> Any:
        """The values as the driver takes them."""
        sent = [
            (bind.name, bind.processor(value) if bind.processor else value)
            for bind in self._binds
            for value in (values.get(bind.name, bind.default),)
        ]
        return [value for _, value in sent] if self._is_positional else dict(sent)

    def _read(self, dialect: Dialect, described: Any, rows: Rows) -> Rows:
        """The rows as values of their columns' types."""
        if self._readers is None:
            self._readers = [
                kind.result_processor(dialect, about[1])
                for kind, about in zip(self._columns, described, strict=True)
            ]
        if not any(self._readers):
            return rows
        readers = self._readers
        return [
            tuple(
                [read(value) if read else value for read, value in zip(readers, row, strict=True)]
            )
            for row in rows
        ]


def connection_of(on: Session | Connection) -> Connection:
    """A session looks for its own anew each time: it is kept for as long as the transaction."""
    if isinstance(on, Connection):
        return on
    transaction, kept = on.info.get(_KEPT, (None, None))
    if isinstance(kept, Connection) and transaction is on.get_transaction():
        return kept
    found = on.connection()
    on.info[_KEPT] = (on.get_transaction(), found)
    return found


def _impl(of: ColumnElement[Any], dialect: Dialect) -> TypeEngine[Any]:
    return of.type.dialect_impl(dialect)


def named(connection: Connection, text: str, failure: Exception) -> BaseException:
    """As SQLAlchemy would raise it; a connection that broke is given up, as it would do."""
    dialect = connection.dialect
    kind: type[Exception] = dialect.loaded_dbapi.Error
    if not isinstance(failure, kind):
        return failure
    driver: Any = connection.connection.dbapi_connection
    is_broken = dialect.is_disconnect(failure, driver, None)  # type: ignore[arg-type]
    if is_broken:
        connection.invalidate(failure)
    return DBAPIError.instance(
        text,
        None,
        failure,
        kind,
        hide_parameters=True,
        connection_invalidated=is_broken,
        dialect=dialect,
    )
