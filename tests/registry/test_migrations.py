"""The schema's way up and down, with rows in the tables, on both databases."""

from sqlalchemy import inspect, text

from registry.db import engine, migrate
from registry.db.tables import Table
from registry.usecases import publish
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store


def test_tables_and_migrations_agree(database_url: str) -> None:
    database = engine.connect(database_url)
    migrate.to_head(database)
    migrate.check(database)
    database.close()


def test_all_tables_go_and_come_back_with_rows_in_them(
    registry: Registry, alice: Publisher
) -> None:
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    publish.publish(registry, alice.draft(files), ALICE)

    migrate.to(registry.database, "base")
    assert set(inspect(registry.database.engine).get_table_names()) <= {"alembic_version"}

    migrate.to_head(registry.database)
    assert set(Table.metadata.tables) < set(inspect(registry.database.engine).get_table_names())


def test_migrating_twice_changes_nothing(registry: Registry, alice: Publisher) -> None:
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    publish.publish(registry, alice.draft(files), ALICE)
    migrate.to_head(registry.database)
    with registry.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM versions")).scalar_one() == 1


def test_sqlite_is_as_durable_as_it_can_be(tmp_path) -> None:
    database = engine.connect(f"sqlite:///{tmp_path / 'x.db'}")
    with database.reading() as session:
        found = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
