"""What reads leaves nothing behind in the database, and all that it has prepared there."""

from sqlalchemy import select, text

from registry.db import engine, tables_log
from registry.usecases.opening import Registry
from tests.registry import postgres

_PREPARED = text("SELECT count(*) FROM pg_prepared_statements")
_USES = 12  # the driver has a statement prepared once it has seen it a few times


def test_postgresql_keeps_what_it_has_prepared_from_one_reading_to_the_next(
    postgres_socket: str,
) -> None:
    database = engine.connect(postgres.create_database(postgres_socket, "reading"))
    for _ in range(_USES):
        with database.reading() as session:
            session.execute(text("SELECT 1"))
    with database.reading() as session:
        assert session.execute(_PREPARED).scalar_one() > 0
    database.close()


def test_what_is_changed_in_an_object_that_was_read_is_written_nowhere(registry: Registry) -> None:
    with registry.database.reading() as session:
        head = session.scalars(select(tables_log.LogHead)).one()
        origin, head.origin = head.origin, "changed"
    with registry.database.reading() as session:
        assert session.scalars(select(tables_log.LogHead)).one().origin == origin
