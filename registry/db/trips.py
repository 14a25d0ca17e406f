"""How what a writer says goes to PostgreSQL, where each answer that is waited for costs a trip.

`together` waits once for what is asked in an order, `as_one` makes one statement of what has none.
Both are of statements of `registry.db.prepared`, and for SQLite, which is not far, are nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from registry.db import prepared
from registry.db.as_one import GATHERED, Gathered

# Under this key a session lists what is to be looked at as the outermost block ends.
_AFTERWARDS = "afterwards"


@contextmanager
def together(session: Session) -> Iterator[None]:
    """What these statements ask and write meanwhile waits for no answer of its own, on PostgreSQL.

    The block's end waits for all, and `rows` for those before it: what failed is raised there. A
    block within another is part of it. SQLAlchemy's own ways cannot be gone meanwhile. SQLite has
    nothing to wait for.
    """
    connection = prepared.connection_of(session)
    driver: Any = connection.connection.dbapi_connection
    if _is_by_itself(connection) or _AFTERWARDS in session.info:
        yield
        return
    with _looking_afterwards(session):
        pipeline = driver.pipeline()
        pipeline.__enter__()
        try:
            yield
        except BaseException as failure:
            pipeline.__exit__(type(failure), failure, failure.__traceback__)
            raise
        try:
            pipeline.__exit__(None, None, None)
        except Exception as failure:
            raise prepared.named(connection, "", failure) from failure


@contextmanager
def as_one(session: Session) -> Iterator[None]:
    """What these statements write, and one that they ask, goes out as one when the block ends.

    So it is on PostgreSQL, for writes that have nothing to do with each other's rows; see
    `Gathered`. What is read by `rows` meanwhile is read before them.
    """
    connection = prepared.connection_of(session)
    if _is_by_itself(connection) or GATHERED in session.info:
        yield
        return
    gathered = session.info[GATHERED] = Gathered(connection)
    with _looking_afterwards(session):
        try:
            yield
        finally:
            del session.info[GATHERED]
        try:
            gathered.run()
        except Exception as failure:
            raise prepared.named(connection, "", failure) from failure


def _is_by_itself(connection: Connection) -> bool:
    """SQLite has nothing to wait for, and who listens is told of each statement."""
    return connection.dialect.name == "sqlite" or bool(connection.dispatch.before_cursor_execute)


@contextmanager
def _looking_afterwards(session: Session) -> Iterator[None]:
    if _AFTERWARDS in session.info:
        yield
        return
    checks: list[Callable[[], object]] = []
    session.info[_AFTERWARDS] = checks
    try:
        yield
    finally:
        del session.info[_AFTERWARDS]
    for check in checks:
        check()


def afterwards(session: Session, check: Callable[[], object]) -> None:
    """Call `check`, which waits for an answer, at once or as the block of `together` ends."""
    checks = session.info.get(_AFTERWARDS)
    if checks is None:
        check()
    else:
        checks.append(check)
