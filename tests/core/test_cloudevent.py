"""Log entries as CloudEvents, read back by the CloudEvents project's own package."""

import re
from pathlib import Path

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given
from hypothesis import strategies as st

from registry.core import canonical, cloudevent, entries
from registry.core.entries import Entry, Kind

ORIGIN = "models.example.org/log"
PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
PUBLISHED = Entry(
    time="2026-11-24T10:00:00.000Z",
    kind=Kind.PUBLISHED,
    actor="publisher:alice-ci",
    model="digits",
    version=3,
    digest="sha256:" + "0" * 64,
    detail={"publisher": "alice"},
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def event_of(entry: Entry, index: int = 7) -> dict[str, canonical.Json]:
    return cloudevent.of_entry(index, entries.encode(entry), origin=ORIGIN)


def test_an_entry_is_an_event_under_its_index() -> None:
    assert event_of(PUBLISHED) == {
        "specversion": "1.0",
        "id": "7",
        "source": ORIGIN,
        "type": "dev.plimsoll.version.published.v1",
        "subject": "digits/3",
        "time": "2026-11-24T10:00:00.000Z",
        "datacontenttype": "application/json",
        "data": canonical.decode(entries.encode(PUBLISHED), what="entry"),
    }


@pytest.mark.parametrize(
    ("entry", "subject"),
    [
        (Entry("t", Kind.DEPLOYED, "a", model="digits", version=3, deployment="prod/d"), "prod/d"),
        (Entry("t", Kind.MODEL_CHANGED, "a", model="digits"), "digits"),
        (Entry("t", Kind.TOKEN_CREATED, "a"), None),
    ],
)
def test_the_subject_is_the_deployment_else_the_version_else_the_model(
    entry: Entry, subject: str | None
) -> None:
    assert event_of(entry).get("subject") == subject


@given(
    kind=st.sampled_from(Kind),
    texts=st.tuples(texts, texts, texts),
    version=st.integers(0, 2**63 - 1),
    index=st.integers(0, 2**63 - 1),
)
def test_every_entry_is_an_event_that_others_can_read(
    kind: Kind, texts: tuple[str, str, str], version: int, index: int
) -> None:
    model, deployment, reason = texts
    entry = Entry(
        "2026-11-24T10:00:00.000Z", kind, "admin:root",
        model=model, version=version, deployment=deployment, reason=reason,
    )  # fmt: skip
    body = canonical.encode(event_of(entry, index))
    message = HTTPMessage({"content-type": f"{cloudevent.MEDIA_TYPE}; charset=utf-8"}, body)
    read = from_structured_event(message)
    assert (read.get_id(), read.get_source()) == (str(index), ORIGIN)
    assert read.get_type() == cloudevent.type_of(kind)
    assert read.get_data() == canonical.decode(entries.encode(entry), what="entry")


def test_every_kind_has_a_type_of_its_own_that_the_documents_list() -> None:
    types = {cloudevent.type_of(kind): kind for kind in Kind}
    assert len(types) == len(Kind)
    assert {one.split(".")[2] for one in types} == {
        "access", "alias", "artifact", "deployment", "experiment", "host", "model", "person",
        "promotion", "registry", "token", "version", "watermark", "webhook",
    }  # fmt: skip
    row = re.compile(r"^\| `(dev\.plimsoll\.[a-z_.]+\.v1)` \| `(\w+)` \|", re.MULTILINE)
    listed = dict(row.findall(PAGE))
    assert listed == {one: str(kind) for one, kind in types.items()}


def test_a_kind_of_a_newer_release_is_an_event_too() -> None:
    leaf = b'{"actor":"a","kind":"dataset_added","time":"t"}'
    event = cloudevent.of_entry(1, leaf, origin=ORIGIN)
    assert event["type"] == "dev.plimsoll.dataset.added.v1"


def test_an_origin_with_odd_characters_is_still_a_uri_reference() -> None:
    event = cloudevent.of_entry(1, entries.encode(PUBLISHED), origin="our log <1>")
    assert event["source"] == "our%20log%20%3C1%3E"
