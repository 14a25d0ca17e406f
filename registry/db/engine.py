"""Opens SQLite or PostgreSQL, and hands out sessions: `reading()` or `writing()`.

A writing session holds the write lock from its first statement on (SQLite: BEGIN IMMEDIATE), so
what it has read is still true when it writes. It commits only where the use case says
`session.commit()`; leaving the block without that rolls everything back.
"""

import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from registry import errors
from registry.db import prepared

_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
)
# Compiling a statement takes 10 to 60 ms, and no statement here runs long enough to earn that.
_POSTGRES_OPTIONS = (
    "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s "
    "-c jit=off "
)
# A plan that suits every tag suits none: a search that is known still gets its own. Statements
# by keys are planned once: to plan one takes longer than to run it.
_OWN_PLANS = "-c plan_cache_mode=force_custom_plan"
# As many as the server has threads: no request waits for a connection, only for the database.
_POOL: dict[str, Any] = {
    "pool_size": 20,
    "max_overflow": 20,
    "pool_timeout": 10,
    "pool_use_lifo": True,
}
# Questions by key keep as many open; searches and pages are fewer. A thread has one of either.
_FEWER_KEPT: dict[str, Any] = {"pool_size": 8, "max_overflow": 32}
_WRITE = "BEGIN IMMEDIATE"
_FULL = ("disk is full", "disk full", "No space left")


# Under this key a session lists the kinds of what it has appended to the log.
APPENDED = "appended"

__all__ = ["APPENDED", "Database", "Session", "connect"]


class _Telling(Session):
    """A session whose commits tell what they have added to the log."""

    def __init__(
        self, engine: Engine, listeners: Sequence[Callable[[Sequence[str]], None]]
    ) -> None:
        super().__init__(engine, expire_on_commit=False)
        self._listeners = listeners

    def commit(self) -> None:
        super().commit()
        appended = self.info.pop(APPENDED, ())
        if appended:
            for listener in self._listeners:
                listener(appended)


@dataclass(frozen=True, slots=True)
class Database:
    """Connections, used in three ways.

    `end_reading` ends the transaction of a session that has only read. `listeners` are called,
    quickly, with the kinds of the log's entries that were just committed.
    """

    engine: Engine
    reader: Engine
    writer: Engine
    asker: Engine
    end_reading: Callable[[Session], None]
    listeners: list[Callable[[Sequence[str]], None]] = field(default_factory=list)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view; nothing it does is kept."""
        with _named_failures(), Session(self.reader, expire_on_commit=False) as session:
            yield session
            self.end_reading(session)

    @contextmanager
    def asking(self) -> Iterator[Connection]:
        """For statements each of which is a view by itself: no transaction around them."""
        with _named_failures(), self.asker.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One writer at a time on SQLite; rolled back unless the block commits."""
        with _named_failures(), _Telling(self.writer, self.listeners) as session:
            yield session

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A connection that may change the schema; commits at the end of the block."""
        with _named_failures(), self.writer.begin() as connection:
            yield connection

    def ping(self) -> None:
        """Raise Unavailable unless the database answers."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    @property
    def engines(self) -> Sequence[Engine]:
        """Each pool's, for who listens: PostgreSQL's writers have one of their own."""
        pools = {id(engine.pool): engine for engine in (self.writer, self.engine)}
        return tuple(pools.values())

    def close(self) -> None:
        for engine in self.engines:
            engine.dispose()


def connect(url: str) -> Database:
    """Open `sqlite:///path` or `postgresql+psycopg://...`; raises InvalidConfig for others."""
    dialect = url.partition(":")[0]
    match dialect:
        case "sqlite":
            return _sqlite(url)
        case "postgresql" | "postgresql+psycopg":
            return _postgresql(url)
        case _:
            raise errors.InvalidConfig(
                f"database {dialect!r} is not supported",
                fix="write sqlite:///path/to/file or postgresql://user@host/name",
            )


def _sqlite(url: str) -> Database:
    engine = create_engine(url, **_POOL)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    writer, asker = (engine.execution_options(plimsoll_begin=one) for one in (_WRITE, ""))
    return Database(engine, engine, writer, asker, Session.close)


def _postgresql(url: str) -> Database:
    address = url.replace("postgresql://", "postgresql+psycopg://", 1)
    searched, keyed = (
        create_engine(
            address,
            connect_args={"options": _POSTGRES_OPTIONS + plans, "connect_timeout": 5},
            # Writers take the log's row lock first, and must see what the last holder wrote.
            isolation_level="READ COMMITTED",
            **(_POOL | kept),
        )
        for plans, kept in ((_OWN_PLANS, _FEWER_KEPT), ("", {}))
    )
    for engine in (searched, keyed):
        event.listen(engine, "checkout", _require_open)
    # A reader sees one snapshot, as on SQLite.
    reader = searched.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    asker = keyed.execution_options(isolation_level="AUTOCOMMIT")
    return Database(searched, reader, keyed, asker, _commit_nothing)


def _commit_nothing(session: Session) -> None:
    """After a rollback the driver has the server forget every statement that it has prepared for
    this connection, in a round trip of its own. A session that has only read may as well commit,
    without its objects: whatever was changed in them is not to be written."""
    session.expunge_all()
    session.commit()


def _require_open(connection: Any, *_rest: object) -> None:
    """Replaces one that the server has ended: it has something to say while nobody asked.

    The kernel knows; to ask the server would cost as much as most statements do.
    """
    waiting = select.poll()
    if not connection.closed:
        waiting.register(connection.fileno(), select.POLLIN)
    if connection.closed or waiting.poll(0):
        raise DisconnectionError("the server has ended this connection")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Python's driver would begin transactions by itself, too late and too weak.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get("plimsoll_begin", "BEGIN")
    if begin:
        prepared.straight(connection, begin)


@contextmanager
def _named_failures() -> Iterator[None]:
    """The driver's failures as ours: a lost race, a full disk, or a database that is away."""
    try:
        yield
    except IntegrityError as error:
        raise errors.Conflict(
            "another writer stored this first", fix="read it again, then decide"
        ) from error
    except DataError as error:
        # PostgreSQL alone minds: no zero bytes, and no text longer than its column.
        raise errors.InvalidInput(
            "a text is too long, or has a zero byte", fix="shorten it, and leave the byte out"
        ) from error
    except OperationalError as error:
        if any(sign in str(error.orig) for sign in _FULL):
            raise errors.StorageFull(
                "the database has no room left", fix="free disk space, then try again"
            ) from error
        raise _away(error) from error
    except PoolTimeout as error:
        raise errors.Unavailable(
            "all connections to the database are busy", fix="try again in a moment"
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _away(error) from error
        raise


def _away(error: DBAPIError) -> errors.Unavailable:
    return errors.Unavailable(
        f"the database does not answer: {type(error.orig).__name__}",
        fix="see the registry's log; try again once it answers",
    )
