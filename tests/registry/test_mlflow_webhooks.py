"""Webhooks made by MLflow's own client, and delivered as MLflow's receivers expect them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from registry.api.server import Server
from registry.settings import Settings
from registry.usecases.access import Role
from tests.registry import mlflow_stock as stock
from tests.registry import receiving
from tests.registry.receiving import LOCAL, Received, Receiver, report, status


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, sending=replace(LOCAL, attempts=1))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving.receiving() as found:
        yield found


@pytest.fixture
def mlflow(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    return stock.configure(server, monkeypatch, role=Role.ADMIN)


def require_signed(came: Received, secret: str) -> None:
    """By MLflow's own function."""
    from mlflow.webhooks.delivery import _generate_hmac_signature

    headers = came.headers
    expected = _generate_hmac_signature(
        secret, headers["x-mlflow-delivery-id"], headers["x-mlflow-timestamp"], came.body.decode()
    )
    assert headers["x-mlflow-signature"] == expected


def test_the_stock_client_makes_changes_tries_and_removes_webhooks(
    mlflow: Any, receiver: Receiver
) -> None:
    from mlflow.entities.webhook import WebhookStatus

    made = mlflow.create_webhook(
        "CI / Fraud", receiver.url, ["model_version.created", "model_version_alias.created"],
        description="tells CI", secret="hunter2",
    )  # fmt: skip
    assert (made.name, made.url, made.description) == ("CI / Fraud", receiver.url, "tells CI")
    assert made.status == WebhookStatus.ACTIVE
    assert [str(event) for event in made.events] == [
        "model_version.created", "model_version_alias.created",
    ]  # fmt: skip

    tried = mlflow.test_webhook(made.webhook_id)
    assert (tried.success, tried.response_status) == (True, 204)
    came = receiver.arrived.get(timeout=60)
    require_signed(came, "hunter2")
    assert json.loads(came.body)["data"]["name"] == "example_model"
    receiver.answers.append(status(500))
    tried = mlflow.test_webhook(made.webhook_id, "model_version_alias.created")
    assert (tried.success, tried.response_status) == (False, 500)
    assert json.loads(receiver.arrived.get(timeout=60).body)["data"]["alias"] == "example_alias"

    changed = mlflow.update_webhook(
        made.webhook_id, name="CD", status="DISABLED", events=["registered_model.created"]
    )
    assert (changed.name, changed.status) == ("CD", WebhookStatus.DISABLED)
    assert [str(event) for event in changed.events] == ["registered_model.created"]
    assert [one.webhook_id for one in mlflow.list_webhooks()] == [made.webhook_id]
    assert mlflow.get_webhook(made.webhook_id).name == "CD"
    mlflow.delete_webhook(made.webhook_id)
    assert mlflow.list_webhooks() == []


def test_what_happens_reaches_an_mlflow_receiver_in_its_own_words(
    mlflow: Any, receiver: Receiver, server: Server
) -> None:
    events = ["registered_model.created", "model_version_tag.set", "model_version_alias.created"]
    mlflow.create_webhook("ci", receiver.url, events, secret="hunter2")
    mlflow.create_registered_model("Fraud EU", tags={"team": "risk"}, description="scores")
    report(server.app.state.registry, "deployed", model="fraud-eu", version=1)
    came = receiver.arrived.get(timeout=60)
    require_signed(came, "hunter2")
    event = json.loads(came.body)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "entity": "registered_model",
        "action": "created",
        "data": {"name": "Fraud EU", "tags": {"team": "risk"}, "description": "scores"},
    }
    assert receiver.is_quiet()


def test_without_a_secret_nothing_is_signed(mlflow: Any, receiver: Receiver) -> None:
    mlflow.create_webhook("ci", receiver.url, ["registered_model.created"])
    mlflow.create_registered_model("fraud")
    assert "x-mlflow-signature" not in receiver.arrived.get(timeout=60).headers


def test_what_was_not_made_through_mlflow_is_not_shown_there_and_all_is_shown_here(
    mlflow: Any, receiver: Receiver, server: Server, client_of: Any
) -> None:
    admin: httpx2.Client = client_of(Role.ADMIN)
    other = admin.post("/v1/webhooks", json={"name": "other", "url": receiver.url}).json()
    theirs = mlflow.create_webhook("CI", receiver.url, ["registered_model.created"])
    second = mlflow.create_webhook("CI", receiver.url, ["registered_model.created"])
    assert {one.webhook_id for one in mlflow.list_webhooks(max_results=1)} == {theirs.webhook_id}
    assert admin.get(f"/api/2.0/mlflow/webhooks/{other['id']}").status_code == 404
    listed = {one["name"]: one for one in admin.get("/v1/webhooks").json()["webhooks"]}
    assert {name: one["form"] for name, one in listed.items()} == {
        "ci": "mlflow", "ci-2": "mlflow", "other": "cloudevents",
    }  # fmt: skip
    assert listed["ci-2"]["id"] == second.webhook_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": []},
        {"events": [{"entity": "PROMPT", "action": "CREATED"}]},
        {"url": "ftp://example.org"},
        {"url": "http://10.0.0.1/"},
        {"name": ""},
        {"status": "SLEEPING"},
    ],
)
def test_a_wrong_webhook_is_refused_in_mlflows_words(client_of: Any, wrong: dict[str, Any]) -> None:
    right = {
        "name": "ci",
        "url": "https://example.org",
        "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}],
    }
    answer = client_of(Role.ADMIN).post("/api/2.0/mlflow/webhooks", json=right | wrong)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_dead_letters_of_this_form_can_be_sent_again(
    mlflow: Any, receiver: Receiver, client_of: Any
) -> None:
    admin: httpx2.Client = client_of(Role.ADMIN)
    receiver.answers.append(status(500))
    made = mlflow.create_webhook("ci", receiver.url, ["registered_model.created"])
    mlflow.create_registered_model("fraud")
    first = receiver.arrived.get(timeout=60)
    place = f"/v1/webhooks/{made.webhook_id}/dead-letters"
    while not (letters := admin.get(place).json()["deadLetters"]):
        pass
    again = admin.post(f"{place}/{letters[0]['index']}/redeliver").json()
    assert again == {"delivered": True, "reason": ""}
    assert receiver.arrived.get(timeout=60).body == first.body
