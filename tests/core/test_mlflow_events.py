"""Log entries as MLflow's webhook events, in the shapes that MLflow itself declares."""

from typing import Any, get_type_hints

import pytest
from mlflow.webhooks import types

from registry.core import mlflow_events
from registry.core.canonical import Json
from registry.core.mlflow_events import About, Event
from registry.errors import InvalidInput

ABOUT = About("Fraud, EU", source="mlflow-artifacts:/x", digest="sha256:aa", tags={"team": "risk"})
PAYLOADS: dict[Event, Any] = {
    mlflow_events.MODEL_CREATED: types.RegisteredModelCreatedPayload,
    mlflow_events.VERSION_CREATED: types.ModelVersionCreatedPayload,
    mlflow_events.TAG_SET: types.ModelVersionTagSetPayload,
    mlflow_events.TAG_DELETED: types.ModelVersionTagDeletedPayload,
    mlflow_events.ALIAS_CREATED: types.ModelVersionAliasCreatedPayload,
    mlflow_events.ALIAS_DELETED: types.ModelVersionAliasDeletedPayload,
}


def told(kind: str, *, about: About = ABOUT, **entry: Json) -> list[tuple[str, Any]]:
    found = mlflow_events.of_entry(
        {"kind": kind, "time": "t", "model": "fraud-eu", **entry}, about, set(PAYLOADS)
    )
    return [(f"{one['entity']}.{one['action']}", one["data"]) for one in found]


@pytest.mark.parametrize("event", PAYLOADS, ids=str)
def test_every_event_has_the_fields_that_mlflow_declares(event: Event) -> None:
    document = mlflow_events.of_trial(event, time="t")
    assert (document["entity"], document["action"]) == (event.entity, event.action)
    assert set(document["data"]) == set(get_type_hints(PAYLOADS[event]))


def test_a_version_is_told_of_once_with_its_first_variant() -> None:
    ((name, data),) = told("published", version=3, digest="sha256:aa")
    assert name == "model_version.created"
    assert data == {
        "name": "Fraud, EU", "version": "3", "source": "mlflow-artifacts:/x", "run_id": None,
        "tags": {"team": "risk"}, "description": None,
    }  # fmt: skip
    assert told("published", version=3, digest="sha256:bb") == []


def test_one_entry_tells_of_every_tag_it_changed() -> None:
    found = told("version_changed", version=3, detail={"tags": {"stage": "review", "old": None}})
    assert found == [
        ("model_version_tag.set",
         {"name": "Fraud, EU", "version": "3", "key": "stage", "value": "review"}),
        ("model_version_tag.deleted", {"name": "Fraud, EU", "version": "3", "key": "old"}),
    ]  # fmt: skip
    assert told("version_changed", version=3, detail={"owner": "sha256:cc"}) == []


def test_aliases_come_and_go() -> None:
    assert told("alias_moved", version=3, detail={"alias": "champion", "previous": 2}) == [
        ("model_version_alias.created",
         {"name": "Fraud, EU", "version": "3", "alias": "champion"}),
    ]  # fmt: skip
    assert told("alias_removed", detail={"alias": "champion"}) == [
        ("model_version_alias.deleted", {"name": "Fraud, EU", "alias": "champion"})
    ]


def test_what_mlflow_has_no_event_for_is_not_told() -> None:
    assert told("deployed", version=3) == told("token_created") == []


@pytest.mark.parametrize(
    "listed",
    [
        None,
        [],
        "model_version.created",
        [{"entity": "PROMPT", "action": "CREATED"}],
        [{"entity": "MODEL_VERSION", "action": "DELETED"}],
        [{"entity": "MODEL_VERSION"}],
        ["x"],
    ],
)
def test_events_that_never_happen_are_refused(listed: Json) -> None:
    with pytest.raises(InvalidInput):
        mlflow_events.parse(listed)
