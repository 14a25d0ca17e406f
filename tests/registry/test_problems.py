"""Every error is problem+json, says what to do, and gives nothing away."""

from collections.abc import Callable

import httpx2
import pytest

from registry.usecases.access import Role
from tests.registry.publishing import upload

FIELDS = {"type", "title", "status", "detail", "code", "fix", "requestId"}

BAD_CALLS = {
    "no such path": ("GET", "/v1/nothing", {}, 404, "not_found"),
    "no such method": ("PATCH", "/v1/models", {}, 405, "http_405"),
    "no such model": ("GET", "/v1/models/nobody", {}, 404, "not_found"),
    "no such version": ("GET", "/v1/models/nobody/versions/3", {}, 404, "not_found"),
    "version is no number": ("GET", "/v1/models/x/versions/last", {}, 422, "invalid_input"),
    "version over 63 bits": ("GET", f"/v1/models/x/versions/{2**63}", {}, 422, "invalid_input"),
    "no such blob": ("GET", "/v1/blobs/sha256:" + "0" * 64, {}, 404, "not_found"),
    "digest with a path in it": ("GET", "/v1/blobs/sha256:..%2f..", {}, 404, "not_found"),
    "digest of another kind": ("GET", "/v1/blobs/md5:00", {}, 422, "invalid_input"),
    "unknown field": (
        "POST",
        "/v1/tokens",
        {"json": {"role": "host", "name": "x", "admin": True}},
        422,
        "invalid_input",
    ),
    "wrong type": ("POST", "/v1/tokens", {"json": {"role": 1, "name": "x"}}, 422, "invalid_input"),
    "broken JSON": (
        "POST",
        "/v1/tokens",
        {"content": b"{", "headers": {"Content-Type": "application/json"}},
        422,
        "invalid_input",
    ),
    "unknown event kind": (
        "POST",
        "/v1/events",
        {"json": {"id": "a", "kind": "exploded"}},
        422,
        "invalid_input",
    ),
    "document over its limit": (
        "POST",
        "/v1/events",
        {"json": {"id": "a", "kind": "deployed", "detail": {"x": "y" * 300_000}}},
        413,
        "too_large",
    ),
    "name with a slash": (
        "POST",
        "/v1/tokens",
        {"json": {"role": "host", "name": "a/b"}},
        422,
        "invalid_name",
    ),
}


@pytest.mark.parametrize("flaw", BAD_CALLS)
def test_a_bad_call_gets_a_problem(client_of: Callable[..., httpx2.Client], flaw: str) -> None:
    method, path, body, status, code = BAD_CALLS[flaw]
    answer = client_of(Role.ADMIN).request(method, path, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "application/problem+json",
    )
    found = answer.json()
    assert found.keys() == FIELDS
    assert (found["status"], found["code"]) == (status, code)
    assert found["requestId"] == answer.headers["request-id"]


def test_an_unexpected_failure_tells_the_caller_nothing_of_its_inside(
    server, client_of: Callable[..., httpx2.Client]
) -> None:
    server.app.state.metrics.collected = None  # what /metrics reads is gone
    answer = client_of().get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "NoneType" not in answer.text


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=6-", 206, b"6789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=-99", 206, b"0123456789"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=10-", 416, None),
        ("bytes=5-2", 416, None),
        ("bytes=-0", 416, None),
        ("lines=1-2", 416, None),
    ],
)
def test_ranges_of_a_blob(
    client: httpx2.Client, asked: str, status: int, expected: bytes | None
) -> None:
    digest = upload(client, b"0123456789")
    answer = client.get(f"/v1/blobs/{digest}", headers={"Range": asked})
    assert answer.status_code == status
    if expected is not None:
        assert answer.content == expected
        assert answer.headers["content-range"].endswith("/10")


def test_a_blob_says_its_size_and_that_it_never_changes(client: httpx2.Client) -> None:
    digest = upload(client, b"0123456789")
    head = client.head(f"/v1/blobs/{digest}")
    assert (head.status_code, head.headers["content-length"]) == (200, "10")
    etag = head.headers["etag"]
    again = client.get(f"/v1/blobs/{digest}", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    other = {"Range": "bytes=0-1", "If-Range": '"other"'}
    assert client.get(f"/v1/blobs/{digest}", headers=other).content == b"0123456789"


def test_the_openapi_document_describes_every_call(client: httpx2.Client) -> None:
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path} has no summary"
            assert operation.get("tags"), f"{method} {path} has no tag"


def test_metrics_count_by_route_and_not_by_model(
    client: httpx2.Client, client_of: Callable[..., httpx2.Client]
) -> None:
    client.get("/v1/models/a")
    client.get("/v1/models/b")
    text = client_of().get("/metrics").text
    assert 'route="/v1/models/{name}",status="404"} 2.0' in text
    assert "plimsoll_registry_log_size" in text
