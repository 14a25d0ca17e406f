"""Statements run straight on the driver: the same rows and failures, and only so many of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, insert, select

from registry import errors
from registry.core.facts import Dataset, Facts
from registry.db import documents, tables, trips, versions, whole
from registry.db.engine import Session
from registry.db.prepared import Prepared
from registry.usecases import catalogue, publish
from registry.usecases.opening import Registry
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

FILES = {"model.onnx": onnx_model(), "labels.txt": b"a\nb\n"}
SAID = Facts(
    owner="risk",
    tags={"team": "risk", "stage": "production"},
    metrics={"loss": 0.25},
    parameters={"epochs": "3"},
    datasets=(Dataset("digits"),),
)
_PUBLICATION, _GET = 12, 1


@contextmanager
def heard(registry: Registry) -> Iterator[list[str]]:
    """The statements that are made meanwhile; to be heard they take SQLAlchemy's way."""
    said: list[str] = []

    def note(*given: object) -> None:
        said.append(str(given[2]))

    engines = registry.database.engines
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


def model_row(name: str) -> dict[str, object]:
    """What is inserted for a model; its name is its key."""
    now = datetime.now(UTC)
    return {
        "name": name, "display_name": name, "description": "", "owner": "", "project": "",
        "next_version": 1, "created_at": now, "updated_at": now,
    }  # fmt: skip


def add_all(session: Session, add: Prepared, *several: str) -> None:
    with trips.together(session):
        for name in several:
            add.write(session, [model_row(name)])


def asked(said: list[str]) -> list[str]:
    return [one for one in said if not one.startswith("BEGIN")]


def test_both_ways_give_the_same_rows_in_the_same_types(
    registry: Registry, alice: Publisher
) -> None:
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES, said=SAID), ALICE)
    with registry.database.reading() as session:
        straight = whole.load(session, [1]), documents.one(session, "digits", 1)
    with heard(registry) as said, registry.database.reading() as session:
        assert (whole.load(session, [1]), documents.one(session, "digits", 1)) == straight
    assert len(asked(said)) == 9
    [version] = straight[0]
    assert version.created_at.tzinfo is UTC
    assert version.metrics == [("loss", 0.25)]
    assert version.variants[0].signature["inputs"]


def test_a_row_that_another_wrote_first_is_a_lost_race_on_either_way(registry: Registry) -> None:
    with registry.database.writing() as session:
        versions.ensure_model(session, "digits", now=datetime.now(UTC))
        session.commit()
    row = model_row("digits")
    again = Prepared(insert(tables.Model.metadata.tables["models"]))
    for _ in range(2):
        with pytest.raises(errors.Conflict), registry.database.writing() as session:
            again.write(session, [row])
        with (
            heard(registry),
            pytest.raises(errors.Conflict),
            registry.database.writing() as session,
        ):
            again.write(session, [row, row])


def test_what_is_written_together_is_all_there_or_raises_what_failed(registry: Registry) -> None:
    add = Prepared(insert(tables.Model.metadata.tables["models"]))
    names = Prepared(select(tables.Model.metadata.tables["models"].c.name))

    def written(session: Session, *several: str) -> None:
        with trips.together(session):
            for name in several:
                add.write(session, [model_row(name)])
            assert {name for (name,) in names.rows(session)} >= set(several)
            add.write(session, [model_row(f"{several[-1]}-last")])

    with registry.database.writing() as session:
        written(session, "one", "two")
        session.commit()
    with pytest.raises(errors.Conflict), registry.database.writing() as session:
        written(session, "three", "two")
    with pytest.raises(errors.Conflict), registry.database.writing() as session:
        add_all(session, add, "four", "one")
    with registry.database.reading() as session:
        assert sorted(names.rows(session)) == [("one",), ("two",), ("two-last",)]


def test_what_is_written_as_one_is_all_there_or_raises_what_failed(registry: Registry) -> None:
    add = Prepared(insert(tables.Model.metadata.tables["models"]))
    names = Prepared(select(tables.Model.metadata.tables["models"].c.name))
    kept = tables.Model.metadata.tables["models"].c.name
    ask = Prepared(insert(tables.Model.metadata.tables["models"]).returning(kept))

    def written(session: Session, *several: str) -> None:
        with trips.as_one(session):
            add.write(session, [model_row(name) for name in several[1:]])
            asked = ask.ask(session, model_row(several[0]))
            add.write(session, [model_row(f"{several[0]}-last")])
        assert asked() == [(several[0],)]

    with registry.database.writing() as session:
        written(session, "one", "two", "three")
        session.commit()
    for several in (("four", "two"), ("two", "four"), ("four", "five", "three")):
        with pytest.raises(errors.Conflict), registry.database.writing() as session:
            written(session, *several)
    with registry.database.reading() as session:
        assert sorted(names.rows(session)) == [("one",), ("one-last",), ("three",), ("two",)]


def test_a_text_in_one_of_many_rows_is_whole_or_refused(registry: Registry) -> None:
    models = tables.Model.metadata.tables["models"]
    add, names = Prepared(insert(models)), Prepared(select(models.c.name))
    long = "n" * 200
    is_sqlite = registry.database.engine.dialect.name == "sqlite"
    with registry.database.writing() as session:
        if is_sqlite:
            add.write(session, [model_row("one"), model_row(long)])
            assert sorted(names.rows(session)) == [(long,), ("one",)]
        else:
            with pytest.raises(errors.InvalidInput), registry.database.writing() as other:
                add.write(other, [model_row("one"), model_row(long)])


def test_two_that_ask_at_once_are_both_answered_whatever_else_is_written(
    registry: Registry,
) -> None:
    names = Prepared(select(tables.Model.metadata.tables["models"].c.name))
    add = Prepared(insert(tables.Model.metadata.tables["models"]))
    seen: list[str] = []
    with registry.database.writing() as session:
        with trips.together(session):
            before = names.ask(session)
            add.write(session, [model_row("one"), model_row("two")])
            after = names.ask(session)
            trips.afterwards(session, lambda: seen.append("afterwards"))
        assert (before(), sorted(after()), seen) == ([], [("one",), ("two",)], ["afterwards"])


def test_a_publication_takes_only_so_many_statements(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    with heard(registry) as said:
        publish.publish(registry, alice.draft(FILES), ALICE)
    assert len(asked(said)) <= _PUBLICATION, asked(said)


def test_a_document_that_is_ready_is_one_statement(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    publish.publish(registry, alice.draft(FILES), ALICE)
    with heard(registry) as said:
        assert isinstance(catalogue.document(registry, "digits", 1), str)
    assert len(asked(said)) == _GET, said
