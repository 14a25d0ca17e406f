"""The schema's way up and down, with rows in the tables, on both databases."""

from collections.abc import Mapping
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from registry.api import wire_models
from registry.api.wire_models import VersionDocument
from registry.core import envelope
from registry.core.facts import Facts
from registry.db import engine, migrate, schema
from registry.usecases import aliases, catalogue, publish, pull
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store


def test_tables_and_migrations_agree(database_url: str) -> None:
    database = engine.connect(database_url)
    migrate.to_head(database)
    migrate.check(database)
    database.close()


def test_a_new_database_is_what_migrations_make_of_an_old_one(database_url: str) -> None:
    database = engine.connect(database_url)
    migrate.to_head(database)
    migrate.check(database)
    new = everything(database)
    migrate.to(database, "base")
    migrate.to_head(database)  # not empty: Alembic's own table is left
    migrate.check(database)
    assert everything(database) == new
    database.close()


def everything(database: engine.Database) -> dict[str, Any]:
    """All that the database itself says of its tables, whatever the order of their columns."""
    found = inspect(database.engine)
    return {
        table: {
            "columns": {
                one["name"]: (str(one["type"]), one["nullable"], one["default"])
                for one in found.get_columns(table)
            },
            "primary key": found.get_pk_constraint(table),
            "foreign keys": sorted(map(str, found.get_foreign_keys(table))),
            "unique": sorted(map(str, found.get_unique_constraints(table))),
            "indexes": sorted(_index(one) for one in found.get_indexes(table)),
            "checks": sorted(map(str, found.get_check_constraints(table))),
        }
        for table in found.get_table_names()
    }


def _index(one: Mapping[str, Any]) -> str:
    """With the words of its condition: an object that holds them is another one each time."""
    options = {name: str(value) for name, value in one.get("dialect_options", {}).items()}
    return str({**one, "dialect_options": options})


def test_the_numbers_of_scripts_are_the_revisions_that_alembic_knows() -> None:
    scripts = ScriptDirectory(str(migrate.SCRIPTS))
    assert migrate.newest() == scripts.get_current_head()
    assert all(migrate.is_known(one.revision) for one in scripts.walk_revisions())


def test_all_tables_go_and_come_back_with_rows_in_them(
    registry: Registry, alice: Publisher
) -> None:
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    publish.publish(registry, alice.draft(files), ALICE)

    migrate.to(registry.database, "base")
    assert set(inspect(registry.database.engine).get_table_names()) <= {"alembic_version"}

    migrate.to_head(registry.database)
    assert set(schema.METADATA.tables) < set(inspect(registry.database.engine).get_table_names())


def test_a_version_of_the_first_schema_goes_up_and_down_unharmed(
    registry: Registry, alice: Publisher
) -> None:
    files = {"model.onnx": onnx_model()}
    store(registry, files)
    said = Facts(
        description="reads digits",
        commit="c0ffee",
        metrics={"accuracy": 0.5},
        parameters={"epochs": "3"},
    )
    for _ in range(2):
        publish.publish(registry, alice.draft(files, said=said), ALICE)
    aliases.move(registry, aliases.Move("digits", "champion", 2, "best"), ALICE)
    before = shown(registry)

    migrate.to(registry.database, "0001")
    with registry.database.reading() as session:
        found = session.execute(text("SELECT version, digest, details FROM versions ORDER BY id"))
        rows = [(version, digest, str(details)) for version, digest, details in found]
    assert [row[:2] for row in rows] == [(1, before[1].digest), (2, before[2].digest)]
    assert all("c0ffee" in row[2] and "epochs" in row[2] for row in rows)

    migrate.to_head(registry.database)
    assert shown(registry) == before
    third = publish.publish(registry, alice.draft(files, version=3), ALICE)
    assert third.is_new, "row ids go on after those that came back"
    wanted = envelope.Wanted("digits", 2, before[2].digest or "")
    bundle = pull.bundle(registry, pull.Asked("digits", 2), ALICE)
    assert isinstance(envelope.verify(bundle, registry.trust_root(), wanted), envelope.Verified)


def shown(registry: Registry) -> dict[int, VersionDocument]:
    """The documents of versions 1 and 2, but for the time of the last edit."""
    documents = {
        number: wire_models.version_document(catalogue.version(registry, "digits", number))
        for number in (1, 2)
    }
    return {
        number: document.model_copy(update={"updated_at": document.created_at})
        for number, document in documents.items()
    }


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
