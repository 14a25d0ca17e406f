"""The MLflow dialect on the wire: its errors, odd requests, and what a crash leaves."""

import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.api import mlflow_versions
from registry.api.access import ALLOWED
from registry.core import entries, mlflow
from registry.settings import Settings
from registry.usecases.access import Role
from tests.registry.publishing import Publisher, onnx_model
from tests.registry.serving import kill, running

REGISTRY = "/api/2.0/mlflow"
TREE = "/api/2.0/mlflow-artifacts/artifacts"
FILES = {"model.onnx": onnx_model()}
ROUTES = sorted(route for route in ALLOWED if " /api/2.0/mlflow" in route)


def signed(alice: Publisher) -> dict[str, bytes]:
    return FILES | {"model.sig": json.dumps(alice.bundle(FILES)).encode()}


def put(client: httpx2.Client, folder: str, files: dict[str, bytes]) -> str:
    for path, content in files.items():
        answer = client.put(f"{TREE}/{folder}/{path}", content=content)
        assert answer.status_code == 200, answer.text
    return f"mlflow-artifacts:/{folder}"


def create_model(client: httpx2.Client, name: str = "digits") -> None:
    answer = client.post(f"{REGISTRY}/registered-models/create", json={"name": name})
    assert answer.status_code == 200, answer.text


def create_version(client: httpx2.Client, source: str) -> dict[str, Any]:
    body = {"name": "digits", "source": source}
    answer = client.post(f"{REGISTRY}/model-versions/create", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["model_version"]
    return found


def version(client: httpx2.Client, number: str) -> dict[str, Any]:
    """Waits until it is settled, as the stock client does."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        where = {"name": "digits", "version": number}
        answer = client.get(f"{REGISTRY}/model-versions/get", params=where)
        found: dict[str, Any] = answer.json()["model_version"]
        if found["status"] != "PENDING_REGISTRATION":
            return found
        time.sleep(0.1)
    raise AssertionError(f"version {number} is still pending")


def test_every_error_is_told_in_mlflow_s_form(
    client_of: Callable[..., httpx2.Client], client: httpx2.Client
) -> None:
    get = f"{REGISTRY}/registered-models/get"
    answers = {
        "UNAUTHENTICATED": client_of().get(get, params={"name": "x"}),
        "PERMISSION_DENIED": client_of(Role.AUDITOR).post(f"{REGISTRY}/registered-models/create"),
        "RESOURCE_DOES_NOT_EXIST": client.get(get, params={"name": "x"}),
        "INVALID_PARAMETER_VALUE": client.get(get),
        "ENDPOINT_NOT_FOUND": client.get("/api/3.0/mlflow/server-info"),
        "BAD_REQUEST": client.put(get),
    }
    assert {code: answer.status_code for code, answer in answers.items()} == {
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "RESOURCE_DOES_NOT_EXIST": 404,
        "INVALID_PARAMETER_VALUE": 400,
        "ENDPOINT_NOT_FOUND": 404,
        "BAD_REQUEST": 405,
    }
    for code, answer in answers.items():
        assert answer.json()["error_code"] == code
        assert answer.json().keys() == {"error_code", "message"}
    missing = answers["INVALID_PARAMETER_VALUE"].json()["message"]
    assert missing == "Missing value for required parameter 'name'."
    unknown = answers["RESOURCE_DOES_NOT_EXIST"].json()["message"]
    assert unknown == "Registered Model with name=x not found"


def test_a_body_is_read_whatever_its_content_type_says(client: httpx2.Client) -> None:
    url = f"{REGISTRY}/registered-models/create"
    for number, kind in enumerate(["", "text/plain", "application/x-www-form-urlencoded"]):
        content = json.dumps({"name": f"digits {number}"}).encode()
        headers = {"Content-Type": kind} if kind else {}
        assert client.post(url, content=content, headers=headers).status_code == 200
        twice = json.dumps(content.decode()).encode()
        again = client.post(url, content=twice, headers=headers)
        assert again.json()["error_code"] == "RESOURCE_ALREADY_EXISTS"


NO_REQUESTS = (
    b"[]",
    b"null",
    b"{",
    b"\xff\xfe",
    b'"\\"x\\""',
    b'{"name": "a", "name": "b"}',
    b'{"name": NaN}',
    b'{"name": "\\ud800"}',
    b'{"name": "\\u0000"}',
    b'{"name": {"a": 1}}',
    b'{"name": "x", "tags": "a"}',
    b'{"name": "x", "tags": [1]}',
    b'{"name": "x", "tags": [{"value": "no key"}]}',
    b'{"name": "x", "tags": [{"key": "\\u0001"}]}',
    b'{"name": "x", "description": 1.5}',
    b"[" * 100_000,
    json.dumps({"name": "x" * 300}).encode(),
)


def test_a_body_that_is_no_request_is_refused(client: httpx2.Client) -> None:
    for content in NO_REQUESTS:
        answer = client.post(f"{REGISTRY}/registered-models/create", content=content)
        refusal = (answer.status_code, answer.json()["error_code"])
        assert refusal == (400, "INVALID_PARAMETER_VALUE"), content[:80]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("name", "version", "key", "value", "alias", "stage", "source", "tags", "new_name",
         "filter", "order_by", "max_results", "page_token", "description", "stages")  # fmt: skip


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    route=st.sampled_from(ROUTES),
    fields=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5),
    path=st.text(max_size=30),
)
def test_garbage_is_told_off_and_never_breaks_anything(
    client: httpx2.Client, route: str, fields: dict[str, Any], path: str
) -> None:
    method, place = route.split(" ")
    place = place.replace("{path}", "").rstrip("/")
    if "artifacts" in place:
        place += "/" + "".join(f"%{byte:02x}" for byte in path.encode("utf-8", "ignore"))
    if method == "GET":
        params = {key: str(value).encode("utf-8", "ignore") for key, value in fields.items()}
        answer = client.request(method, place, params=params)
    else:
        content = json.dumps(fields).encode("utf-8", "surrogatepass")
        answer = client.request(method, place, content=content)
    assert answer.status_code < 500, (route, fields, answer.text)
    if answer.status_code >= 400:
        assert answer.json()["error_code"] in {code for *_, code in mlflow._CODES} | {
            "INVALID_PARAMETER_VALUE",
            "RESOURCE_ALREADY_EXISTS",
            "ENDPOINT_NOT_FOUND",
            "BAD_REQUEST",
        }


def test_a_part_of_an_artifact_can_be_asked_for(client: httpx2.Client) -> None:
    put(client, "place", {"a.txt": b"0123456789"})
    url = f"{TREE}/place/a.txt"
    part = client.get(url, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-range"] == "bytes 2-4/10"
    assert part.headers["cache-control"] == "no-cache"
    beyond = client.get(url, headers={"Range": "bytes=99-"})
    assert (beyond.status_code, beyond.json()["error_code"]) == (416, "INVALID_PARAMETER_VALUE")
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_an_upload_may_be_larger_than_a_document_but_not_than_a_file(
    client: httpx2.Client, settings: Settings
) -> None:
    content = bytes(settings.limits.max_document_bytes + 1)
    put(client, "place", {"large": content})
    assert client.get(f"{TREE}/place/large").content == content
    over = client.put(f"{TREE}/x", content=bytes(settings.limits.max_file_bytes + 1))
    assert (over.status_code, over.json()["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    assert client.get(f"{TREE}/x").status_code == 404


OUTSIDE = (
    "../x", "a/../../x", "a//b", "a/./b", ".git/config", "a\\b", "c:", "a%00b", "a" * 600, "",
)  # fmt: skip


def test_a_path_that_would_leave_its_folder_is_refused(client: httpx2.Client) -> None:
    for path in OUTSIDE:
        quoted = path.replace("../", "%2e%2e%2f").replace("/./", "%2f%2e%2f")
        answer = client.put(f"{TREE}/{quoted}", content=b"x")
        assert answer.status_code in {400, 404}, (path, answer.text)
    assert client.get(TREE).json() == {"files": []}


def test_a_client_that_wants_to_upload_in_parts_is_told_to_send_one(client: httpx2.Client) -> None:
    answer = client.post("/api/2.0/mlflow-artifacts/mpu/create/x", json={"num_parts": 2})
    words = "Multipart upload is not supported for the current artifact repository"
    assert (answer.status_code, answer.json()["message"]) == (400, words)


def test_openapi_describes_what_each_call_takes(client: httpx2.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    create = paths[f"{REGISTRY}/model-versions/create"]["post"]["requestBody"]
    schema = create["content"]["application/json"]["schema"]
    assert schema["required"] == ["name", "source"]
    get = paths[f"{REGISTRY}/registered-models/get"]["get"]["parameters"]
    assert [parameter["name"] for parameter in get] == ["name"]


def test_a_version_that_was_pending_at_a_crash_is_ready_after_the_next_start(
    tmp_path: Path,
) -> None:
    alice = Publisher()
    alice.list_in(Settings(tmp_path).publishers_file)
    with running(tmp_path) as (client, process):
        create_model(client)
        source = put(client, "candidate", signed(alice))
        numbers = [create_version(client, source)["version"] for _ in range(4)]
        kill(process)
    with running(tmp_path) as (client, _):
        assert [version(client, number)["status"] for number in numbers] == ["READY"] * 4
        leaves = client.get("/log/entries", params={"limit": 1000}).json()["entries"]
        told = [entries.decode(base64.b64decode(leaf["leaf"])) for leaf in leaves]
        published = [entry.version for entry in told if entry.kind is entries.Kind.PUBLISHED]
        assert sorted(published) == [1, 2, 3, 4]


def test_a_pending_version_s_answer_comes_as_soon_as_it_is_settled(
    client: httpx2.Client, alice: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A check may take a busy machine longer than an answer waits for it.
    monkeypatch.setattr(mlflow_versions, "_PATIENCE", 60.0)
    create_model(client)
    created = create_version(client, put(client, "candidate", signed(alice)))
    assert (created["status"], created["version"]) == ("PENDING_REGISTRATION", "1")
    answer = client.get(
        f"{REGISTRY}/model-versions/get", params={"name": "digits", "version": "1"}
    ).json()["model_version"]
    assert answer["status"] == "READY"
    assert re.fullmatch(r"\d{13}", str(answer["creation_timestamp"]))
    assert answer.keys() == {
        "name", "version", "creation_timestamp", "last_updated_timestamp", "user_id",
        "current_stage", "source", "status",
    }  # fmt: skip
