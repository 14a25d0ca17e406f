"""The webhook is a hint from a stranger: signed or ignored."""

import pytest
from prometheus_client import CollectorRegistry
from starlette.testclient import TestClient

from reconciler import webhook

SECRET = b"s3cret"


@pytest.fixture
def hints() -> list[str]:
    return []


@pytest.fixture
def http(hints: list[str]) -> TestClient:
    app = webhook.create_app(
        secret=SECRET, hint=lambda: hints.append("look"), metrics=CollectorRegistry()
    )
    return TestClient(app)


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
    app = webhook.create_app(secret=b"", hint=lambda: hints.append(""), metrics=CollectorRegistry())
    headers = {"X-Hub-Signature-256": webhook.sign(b"{}", b""), "X-Gitlab-Token": ""}
    assert TestClient(app).post("/webhook", content=b"{}", headers=headers).status_code == 401
    assert hints == []


def test_an_oversized_body_is_refused(http: TestClient, hints: list[str]) -> None:
    body = b"x" * (webhook.BODY_LIMIT + 1)
    headers = {"X-Hub-Signature-256": webhook.sign(body, SECRET)}
    assert http.post("/webhook", content=body, headers=headers).status_code == 413
    assert hints == []
