"""Documents that are kept ready: always what would be made anew, and never older than it."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from registry.api import wire_models
from registry.db import documents as rows
from registry.db import tables, whole
from registry.db.tables_documents import VersionDocument
from registry.usecases import annotate, catalogue, documents, erasure, publish, search
from registry.usecases.annotate import Edit
from registry.usecases.opening import Registry
from registry.usecases.search import Asked
from tests.registry import catalogues
from tests.registry.backups import SAID
from tests.registry.keeping import ROOT
from tests.registry.publishing import ALICE, Publisher, onnx_model, store

FILES = {"model.onnx": onnx_model(), "a/labels.txt": b"0 1 2"}


def listed(registry: Registry) -> dict[tuple[str, int], Any]:
    """What a search shows of each version."""
    found = search.versions_everywhere(registry, Asked(limit=1000)).items
    shown = [json.loads(one) for one in found]
    return {(one["model"], one["version"]): one for one in shown}


def described(registry: Registry) -> dict[tuple[str, int], Any]:
    """What the API's own schema makes of each version, from its rows."""
    with registry.database.reading() as session:
        loaded = whole.load(session, list(session.scalars(select(tables.Version.id))))
    return {
        (one.model, one.version): wire_models.version_document(one).model_dump(
            mode="json", by_alias=True
        )
        for one in loaded
    }


def kept(registry: Registry) -> dict[int, str]:
    with registry.database.reading() as session:
        ids = list(session.scalars(select(tables.Version.id)))
        return dict(rows.current(session, ids))


def renew(registry: Registry) -> None:
    documents.renew(registry.database, documents.BEGINNING, lambda: False)


def publish_one(registry: Registry, alice: Publisher) -> None:
    store(registry, FILES)
    said = replace(SAID, parents=())
    publish.publish(registry, replace(alice.draft(FILES), facts=said), ALICE)


def test_a_kept_document_says_what_the_schema_says(registry: Registry) -> None:
    catalogues.fill(registry, seed=3, count=40)
    expected = described(registry)
    assert len(expected) == 40
    assert kept(registry) == {}
    assert listed(registry) == expected
    renew(registry)
    assert len(kept(registry)) == 40
    assert listed(registry) == expected


def test_a_publication_keeps_its_own_document(registry: Registry, alice: Publisher) -> None:
    publish_one(registry, alice)
    assert len(kept(registry)) == 1
    assert listed(registry) == described(registry)
    alone = catalogue.document(registry, "digits", 1)
    assert isinstance(alone, str)
    assert json.loads(alone) == listed(registry)["digits", 1] | {"evidence": []}


def test_what_is_kept_is_made_of_the_very_rows_that_are_loaded_later(
    registry: Registry, alice: Publisher
) -> None:
    publish_one(registry, alice)
    (published,) = kept(registry).values()
    with registry.database.writing() as session:
        session.execute(delete(VersionDocument))
        session.commit()
    renew(registry)
    assert list(kept(registry).values()) == [published]


def test_an_old_document_is_never_shown_and_is_made_anew(
    registry: Registry, alice: Publisher
) -> None:
    publish_one(registry, alice)
    annotate.change_version(registry, "digits", 1, Edit(description="reads digits"), ALICE)
    assert kept(registry) == {}
    assert listed(registry)["digits", 1]["metadata"]["description"] == "reads digits"
    alone = catalogue.document(registry, "digits", 1)
    assert isinstance(alone, str)
    assert json.loads(alone)["metadata"]["description"] == "reads digits"
    since = documents.renew(registry.database, documents.BEGINNING, lambda: False)
    assert len(kept(registry)) == 1
    annotate.change_version(registry, "digits", 1, Edit(description="reads more"), ALICE)
    documents.renew(registry.database, since, lambda: False)
    assert len(kept(registry)) == 1
    assert listed(registry)["digits", 1]["metadata"]["description"] == "reads more"


def test_nothing_of_an_erased_version_is_kept(registry: Registry, alice: Publisher) -> None:
    publish_one(registry, alice)
    (before,) = kept(registry).values()
    assert SAID.owner in before
    erasure.erase(registry, model="digits", version=1, reason="asked to", by=ROOT)
    with registry.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(VersionDocument)) == 0
    renew(registry)
    (after,) = kept(registry).values()
    assert json.loads(after + documents.UNASKED)["status"] == tables.ERASED
    assert SAID.owner not in after


def test_a_document_made_before_an_erasure_is_not_kept_after_it(
    registry: Registry, alice: Publisher
) -> None:
    publish_one(registry, alice)
    with registry.database.reading() as session:
        (version,) = whole.load(session, list(session.scalars(select(tables.Version.id))))
    made = rows.Document(version.id, version.updated_at, documents.text(version))
    erasure.erase(registry, model="digits", version=1, reason="asked to", by=ROOT)
    with registry.database.writing() as session:
        assert rows.unchanged(session, [made]) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_renewing_stops_where_it_is_told_to(registry: Registry) -> None:
    catalogues.fill(registry, seed=3, count=5)
    since = documents.renew(registry.database, documents.BEGINNING, lambda: True)
    assert since == documents.BEGINNING
    assert kept(registry) == {}


# What the documents of `rows.FORM` say: with another digest here goes another number there.
SAID_BY_FORM = (2, "2723a50e67ca9d66")


def test_a_change_of_what_documents_say_is_another_form() -> None:
    schema = json.dumps(wire_models.VersionDocument.model_json_schema(), sort_keys=True)
    assert (rows.FORM, hashlib.sha256(schema.encode()).hexdigest()[:16]) == SAID_BY_FORM


def test_a_document_of_another_release_is_made_anew(registry: Registry, alice: Publisher) -> None:
    publish_one(registry, alice)
    (published,) = kept(registry).values()
    with registry.database.writing() as session:
        session.execute(update(VersionDocument).values(form=rows.FORM + 1, content="{}"))
        session.commit()
    assert kept(registry) == {}
    assert listed(registry) == described(registry)
    renew(registry)
    assert list(kept(registry).values()) == [published]
