"""The webhook is a hint from a stranger: signed or ignored."""

import base64
import hashlib
import hmac

import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.testclient import TestClient

from reconciler import webhook
from reconciler.core import webhooks

SECRET = b"s3cret"
NOW = 1_790_000_000.0
HEX = hmac.new(SECRET, b"{}", hashlib.sha256).hexdigest()


@pytest.fixture
def hints() -> list[str]:
    return []


@pytest.fixture
def http(hints: list[str]) -> TestClient:
    return TestClient(app(hints))


def app(hints: list[str], forge: str = "", secret: bytes = SECRET) -> Starlette:
    def hint(event: webhooks.Event) -> None:
        hints.append({webhooks.Event.PUSH: "look"}.get(event, event.value))

    return webhook.create_app(
        sender=webhook.Sender(forge, secret),
        hint=hint,
        metrics=CollectorRegistry(),
        plan=lambda name: b"the whole <script>" if name == "a" * 32 else None,
        clock=lambda: NOW,
    )


def test_a_signed_push_is_a_hint(http: TestClient, hints: list[str]) -> None:
    body = b'{"ref": "refs/heads/main"}'
    signature = webhook.sign(body, SECRET)
    answer = http.post("/webhook", content=body, headers={"X-Hub-Signature-256": signature})
    assert (answer.status_code, hints) == (202, ["look"])


def test_a_gitlab_token_is_a_hint(http: TestClient, hints: list[str]) -> None:
    answer = http.post("/webhook", content=b"{}", headers={"X-Gitlab-Token": "s3cret"})
    assert (answer.status_code, hints) == (202, ["look"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": webhook.sign(b"other body", SECRET)},
        {"X-Hub-Signature-256": webhook.sign(b"{}", b"other secret")},
        {"X-Gitlab-Token": ""},
        {"X-Gitlab-Token": "wrong"},
    ],
)
def test_an_unsigned_or_wrongly_signed_push_is_refused(
    http: TestClient, hints: list[str], headers: dict[str, str]
) -> None:
    answer = http.post("/webhook", content=b"{}", headers=headers)
    assert (answer.status_code, hints) == (401, [])
    assert "same secret" in answer.json()["fix"]


def test_without_a_secret_nothing_is_accepted(hints: list[str]) -> None:
    headers = {"X-Hub-Signature-256": webhook.sign(b"{}", b""), "X-Gitlab-Token": ""}
    assert (
        TestClient(app(hints, secret=b""))
        .post("/webhook", content=b"{}", headers=headers)
        .status_code
        == 401
    )
    assert hints == []


def test_an_oversized_body_is_refused(http: TestClient, hints: list[str]) -> None:
    body = b"x" * (webhook.BODY_LIMIT + 1)
    headers = {"X-Hub-Signature-256": webhook.sign(body, SECRET)}
    assert http.post("/webhook", content=body, headers=headers).status_code == 413
    assert hints == []


def standard(body: bytes = b"{}", key: bytes = SECRET, at: float = NOW) -> dict[str, str]:
    """The headers of Standard Webhooks, as GitLab sends them where a signing token is set."""
    signed = hmac.new(key, b"msg_1.%d.%s" % (at, body), hashlib.sha256).digest()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": f"{at:.0f}",
        "webhook-signature": f"v1,AAAA v1,{base64.b64encode(signed).decode()}",
    }


GENUINE = {
    "github": {"X-Hub-Signature-256": f"sha256={HEX}", "X-GitHub-Event": "pull_request"},
    "gitea": {"X-Gitea-Signature": HEX, "X-Gitea-Event": "pull_request_sync"},
    "gitlab": {"X-Gitlab-Token": "s3cret", "X-Gitlab-Event": "Merge Request Hook"},
}


@pytest.mark.parametrize("forge", GENUINE)
@pytest.mark.parametrize("sent", GENUINE)
def test_each_forge_is_believed_in_its_own_way_only(
    hints: list[str], forge: str, sent: str
) -> None:
    answer = TestClient(app(hints, forge)).post("/webhook", content=b"{}", headers=GENUINE[sent])
    # Gitea sends GitHub's header too.
    is_one = forge == sent or (forge, sent) == ("gitea", "github")
    assert (answer.status_code, hints) == ((202, ["pull request"]) if is_one else (401, []))


@pytest.mark.parametrize("secret", [SECRET, b"whsec_" + base64.b64encode(b"k" * 32)])
def test_a_signature_of_gitlab_covers_id_time_and_body(hints: list[str], secret: bytes) -> None:
    key = SECRET if secret == SECRET else b"k" * 32
    http = TestClient(app(hints, "gitlab", secret))
    wrong = [
        standard(b"{ }", key),
        standard(b"{}", b"other"),
        standard(b"{}", key, NOW - 301),
        standard(b"{}", key, NOW + 301),
        {**standard(b"{}", key), "webhook-id": "msg_2"},
        {**standard(b"{}", key), "webhook-timestamp": "soon"},
        # Where there is a signature, the secret in the open does not make up for a wrong one.
        {**standard(b"{ }", key), "X-Gitlab-Token": secret.decode()},
    ]
    for headers in wrong:
        assert http.post("/webhook", content=b"{}", headers=headers).status_code == 401, headers
    assert hints == []
    assert http.post("/webhook", content=b"{}", headers=standard(b"{}", key)).status_code == 202
    assert hints == ["look"]


def test_what_is_no_push_and_no_request_is_taken_and_does_nothing(hints: list[str]) -> None:
    headers = {"X-Hub-Signature-256": f"sha256={HEX}", "X-GitHub-Event": "star"}
    answer = TestClient(app(hints, "github")).post("/webhook", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["event"], hints) == (202, "other", [])


def test_a_flood_is_refused_and_the_next_second_is_another() -> None:
    time = [0.0]
    allowance = webhook.Allowance(lambda: time[0])
    assert [allowance.take() for _ in range(61)] == [True] * 60 + [False]
    time[0] = 1.0
    assert [allowance.take() for _ in range(11)] == [True] * 10 + [False]


def test_a_whole_plan_is_text_for_who_knows_its_name(http: TestClient) -> None:
    answer = http.get("/plans/" + "a" * 32)
    assert (answer.status_code, answer.content) == (200, b"the whole <script>")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert http.get("/plans/" + "b" * 32).status_code == 404
