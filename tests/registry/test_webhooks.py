"""Webhooks as admins use them: over HTTP, against a real receiver."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from registry.api.server import Server
from registry.settings import Sending, Settings
from registry.usecases import webhooks
from registry.usecases.access import Role
from tests.registry import receiving
from tests.registry.receiving import LOCAL, Receiver, report, status

# What has failed is tried again in an hour, or as soon as the webhook is changed.
PATIENT = replace(LOCAL, first_pause=3600, longest_pause=3600)


@pytest.fixture
def sending() -> Sending:
    return LOCAL


@pytest.fixture
def settings(settings: Settings, sending: Sending) -> Settings:
    return replace(settings, sending=sending)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving.receiving() as found:
        yield found


@pytest.fixture
def admin(client_of: Callable[..., httpx2.Client]) -> httpx2.Client:
    return client_of(Role.ADMIN, "root")


@pytest.fixture
def tell(server: Server) -> Callable[..., int]:
    """Log an event; returns its index."""
    return lambda kind="deployed", **fields: report(server.app.state.registry, kind, **fields)


def create(admin: httpx2.Client, url: str, **fields: Any) -> dict[str, Any]:
    answer = admin.post("/v1/webhooks", json={"name": "ci", "url": url, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_an_entry_reaches_its_receiver_as_a_signed_event(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    made = create(admin, receiver.url)
    index = tell("deployed", model="digits", version=3, deployment="production/digits")
    came = receiver.next()
    assert Webhook(made["secret"]).verify(came.body, came.headers)
    event = came.document
    assert (event["id"], event["type"]) == (str(index), "dev.plimsoll.deployment.deployed.v1")
    assert event["subject"] == "production/digits"
    assert event["data"]["model"] == "digits"


def test_a_secret_is_shown_once_and_stored_sealed(
    admin: httpx2.Client, receiver: Receiver, server: Server
) -> None:
    secret = "whsec_" + "QUJD" * 10
    made = create(admin, receiver.url, secret=secret)
    assert made["secret"] == secret
    shown = admin.get(f"/v1/webhooks/{made['id']}").text + admin.get("/v1/webhooks").text
    assert "QUJD" not in shown
    registry = server.app.state.registry
    row = webhooks.get(registry, made["id"])
    assert b"ABC" not in row.secret
    key_file = registry.settings.data_dir / "keys" / "secrets.key"
    assert key_file.stat().st_mode & 0o777 == 0o600


def test_only_what_was_asked_for_is_sent(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    create(admin, receiver.url, kinds=["deployed", "rolled_back"], model="fraud*")
    tell("deployed", model="digits")
    tell("tested", model="fraud")
    tell("deployed")
    wanted = tell("deployed", model="fraud-eu")
    last = tell("rolled_back", model="fraud")
    assert [receiver.next().document["id"] for _ in range(2)] == [str(wanted), str(last)]
    assert receiver.is_quiet()


def test_a_failing_receiver_gets_the_same_event_again_and_then_the_next(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    receiver.answers += [status(500), status(302, Location="http://127.0.0.1:1/")]
    create(admin, receiver.url)
    indexes = [tell(), tell("tested")]
    came = [receiver.next() for _ in range(4)]
    assert [one.document["id"] for one in came] == [str(indexes[0])] * 3 + [str(indexes[1])]
    assert len({one.body for one in came[:3]}) == 1


def test_what_is_never_taken_becomes_a_dead_letter_and_holds_up_nothing(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    receiver.answers += [status(500)] * 3
    made = create(admin, receiver.url)
    dead, alive = tell(), tell("tested")
    assert [receiver.next().document["id"] for _ in range(4)] == [str(dead)] * 3 + [str(alive)]
    path = f"/v1/webhooks/{made['id']}/dead-letters"
    (letter,) = admin.get(path).json()["deadLetters"]
    assert (letter["index"], letter["attempts"]) == (dead, 3)
    assert letter["reason"] == "the receiver answered 500"

    receiver.answers += [status(503)]
    again = admin.post(f"{path}/{dead}/redeliver").json()
    assert again == {"delivered": False, "reason": "the receiver answered 503"}
    assert admin.get(path).json()["deadLetters"][0]["attempts"] == 4

    assert admin.post(f"{path}/{dead}/redeliver").json() == {"delivered": True, "reason": ""}
    assert [receiver.next().document["id"] for _ in range(2)] == [str(dead)] * 2
    assert admin.get(path).json() == {"deadLetters": [], "nextPageToken": None}
    assert admin.post(f"{path}/{dead}/redeliver").status_code == 404


def test_a_receiver_that_is_gone_pauses_its_webhook_on_record(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    receiver.answers += [status(410)]
    made = create(admin, receiver.url, kinds=["deployed"])
    place, index = f"/v1/webhooks/{made['id']}", tell()
    assert receiver.next().document["id"] == str(index)
    found = wait_for(lambda: admin.get(place).json(), lambda one: not one["active"])
    assert found["pausedBecause"] == "the receiver answered 410: it wants no more events"
    paused = logged(admin)[-1]
    assert (paused["kind"], paused["actor"]) == ("webhook_changed", "registry:webhooks")

    second = tell("deployed")
    assert admin.patch(place, json={"active": True}).json()["active"] is True
    assert [receiver.next().document["id"] for _ in range(2)] == [str(index), str(second)]


def test_a_paused_webhook_goes_on_where_it_stopped(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    made = create(admin, receiver.url, kinds=["deployed", "tested"])
    place = f"/v1/webhooks/{made['id']}"
    assert (
        admin.patch(place, json={"active": False}).json()["pausedBecause"] == "paused by admin:root"
    )
    indexes = [tell("deployed"), tell("tested")]
    assert admin.get(place).json()["nextIndex"] <= indexes[0]
    assert receiver.is_quiet()
    admin.patch(place, json={"active": True})
    assert [receiver.next().document["id"] for _ in range(2)] == [str(one) for one in indexes]


def test_every_change_is_in_the_log_without_the_address_or_the_secret(
    admin: httpx2.Client, receiver: Receiver
) -> None:
    made = create(admin, receiver.url, kinds=["published"])
    place = f"/v1/webhooks/{made['id']}"
    admin.patch(place, json={"model": "fraud*", "secret": "whsec_" + "QUJD" * 10})
    admin.delete(place)
    entries = logged(admin)[-3:]
    assert [one["kind"] for one in entries] == [
        "webhook_created", "webhook_changed", "webhook_removed",
    ]  # fmt: skip
    assert entries[1]["detail"] == {
        "webhook": made["id"], "name": "ci", "host": "127.0.0.1", "kinds": ["published"],
        "model": "fraud*", "status": "active", "secret": "changed",
    }  # fmt: skip
    told = json.dumps(entries)
    assert "team=risk" not in told
    assert "QUJD" not in told
    assert admin.get(place).status_code == 404


@pytest.mark.parametrize("sending", [PATIENT], ids=["patient"])
def test_a_changed_address_and_secret_count_at_once(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    made = create(admin, "http://127.0.0.1:1/", kinds=["deployed"])
    index = tell()
    secret = "whsec_" + "QUJD" * 10
    admin.patch(f"/v1/webhooks/{made['id']}", json={"url": receiver.url, "secret": secret})
    came = receiver.next()
    assert came.document["id"] == str(index)
    assert Webhook(secret).verify(came.body, came.headers)


def test_a_trial_shows_whether_the_receiver_takes_events(
    admin: httpx2.Client, receiver: Receiver
) -> None:
    made = create(admin, receiver.url, kinds=["published"])
    place = f"/v1/webhooks/{made['id']}/test"
    assert admin.post(place).json() == {"delivered": True, "reason": ""}
    came = receiver.next()
    assert came.document["type"] == "dev.plimsoll.webhook.test.v1"
    assert Webhook(made["secret"]).verify(came.body, came.headers)
    receiver.then = status(401)
    assert admin.post(place).json()["reason"] == "the receiver answered 401"


def test_webhooks_are_listed_in_pages(admin: httpx2.Client, receiver: Receiver) -> None:
    names = [f"hook-{number}" for number in range(5)]
    for name in names:
        create(admin, receiver.url, name=name, kinds=["published"])
    found: list[str] = []
    token = ""
    while token is not None:
        page = admin.get("/v1/webhooks", params={"maxResults": 2, "pageToken": token}).json()
        found += [one["name"] for one in page["webhooks"]]
        token = page["nextPageToken"]
    assert found == names
    assert admin.get("/v1/webhooks?pageToken=xxxx").status_code == 422


def test_a_name_is_given_once_and_webhooks_are_not_without_number(
    admin: httpx2.Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(admin, receiver.url)
    again = admin.post("/v1/webhooks", json={"name": "ci", "url": receiver.url})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    monkeypatch.setattr(webhooks, "MOST", 1)
    other = admin.post("/v1/webhooks", json={"name": "cd", "url": receiver.url})
    assert (other.status_code, other.json()["fix"]) == (409, "remove one first")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://example.org"},
        {"url": "http://10.0.0.1/"},
        {"url": "http://[::ffff:169.254.169.254]/latest/meta-data"},
        {"url": "http://user:pass@example.org/"},
        {"name": "Not A Slug"},
        {"kinds": ["exploded"]},
        {"model": "fraud; drop table"},
        {"secret": "short"},
        {"description": "\x00"},
        {"status": "active"},
    ],
)
def test_a_wrong_webhook_is_refused(admin: httpx2.Client, wrong: dict[str, Any]) -> None:
    right = {"name": "ci", "url": "https://example.org/hook"}
    answer = admin.post("/v1/webhooks", json=right | wrong)
    assert (answer.status_code, answer.json()["status"]) == (422, 422), answer.text
    assert admin.get("/v1/webhooks").json()["webhooks"] == []


def wait_for(look: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
    """What `look` gives once it `is_so`; a test that waits in vain is stopped by its runner."""
    while not is_so(found := look()):
        pass
    return found


def logged(client: httpx2.Client) -> list[dict[str, Any]]:
    from registry.core import fields

    page = client.get("/log/entries", params={"limit": 1000}).json()["entries"]
    return [json.loads(fields.unbase64(one["leaf"], what="leaf")) for one in page]


def test_a_chat_gets_a_line_of_words_and_its_address_stays_a_secret(
    admin: httpx2.Client, receiver: Receiver, tell: Callable[..., int]
) -> None:
    made = create(admin, f"{receiver.url}/T0/B0/key", form="slack")
    assert made["secret"] == ""
    assert "key" not in json.dumps(admin.get("/v1/webhooks").json())
    hostile = "<!channel> *look* & <https://evil.example|here>\nsecond line"
    index = tell("rolled_back", deployment="production/digits", model="digits", version=3,
                 host="edge-1", reason=hostile)  # fmt: skip
    came = receiver.next()
    assert "webhook-signature" not in came.headers
    text = json.loads(came.body)["text"]
    assert text.startswith(
        "*production/digits (digits@3)* rolled back on edge-1: &lt;!channel&gt; "
    )
    assert "∗look∗ &amp; &lt;https://evil.example|here&gt; second line (by " in text
    assert text.endswith(f", log entry {index})")
    tried = admin.post(f"/v1/webhooks/{made['id']}/test").json()
    assert tried["delivered"]
    assert json.loads(receiver.next().body)["text"].startswith("A test of this webhook")


def test_a_chat_takes_no_secret(admin: httpx2.Client, receiver: Receiver) -> None:
    wish = {"name": "chat", "url": receiver.url, "form": "slack", "secret": "whsec_c2VjcmV0"}
    answer = admin.post("/v1/webhooks", json=wish)
    assert answer.status_code == 422
    assert "not signed" in answer.json()["detail"]


def test_mail_is_promised_only_where_a_server_takes_it(
    admin: httpx2.Client, receiver: Receiver
) -> None:
    wish = {"name": "ops", "url": "mailto:ops@example.org", "form": "email"}
    answer = admin.post("/v1/webhooks", json=wish)
    assert answer.status_code == 422
    assert answer.json()["fix"] == "name the server in the setting mail_server"
