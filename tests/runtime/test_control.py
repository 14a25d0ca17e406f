"""Process mode: load, swap and unload while clients keep asking."""

import json
import threading
from collections.abc import Callable

import httpx2
import pytest

from tests.core.publication import Publication
from tests.runtime import models
from tests.runtime.process import CONTROL_TOKEN, PATIENCE, Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"
BODY = {"instances": [[0.5] * 64]}


def load(runtime: Runtime, published: Publication) -> httpx2.Response:
    body = {"digest": published.wanted.digest, "format": published.format}
    return runtime.control("PUT", f"digits/versions/{published.version}", body)


def serving(runtime: Runtime) -> str:
    return str(runtime.post(DIGITS, BODY).headers["plimsoll-version"])


class Client(threading.Thread):
    """Asks without a pause until told to stop; remembers every answer that was not a 200."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__()
        self._url = f"http://127.0.0.1:{runtime.port}{DIGITS}"
        self._enough = threading.Event()
        self.asked = 0
        self.failures: list[str] = []
        self.versions: list[str] = []

    def run(self) -> None:
        with httpx2.Client(timeout=PATIENCE) as client:
            while not self._enough.is_set():
                self._ask(client)
                self.asked += 1

    def _ask(self, client: httpx2.Client) -> None:
        try:
            answer = client.post(self._url, json=BODY)
        except httpx2.HTTPError as error:
            self.failures.append(repr(error))
            return
        self.versions.append(answer.headers.get("plimsoll-version", ""))
        if answer.status_code != 200:
            self.failures.append(answer.text)

    def finish(self) -> None:
        self._enough.set()
        self.join()


def under_load(runtime: Runtime, change: Callable[[], None]) -> list[Client]:
    """All of them have asked and been answered before the change, and again after it."""
    clients = [Client(runtime) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        _all_are_answered(runtime, clients)
        change()
        _all_are_answered(runtime, clients)
    finally:
        for client in clients:
            client.finish()
    return clients


def _all_are_answered(runtime: Runtime, clients: list[Client]) -> None:
    """Twice from now on: the first of the two may have been asked before."""
    had = [client.asked for client in clients]
    runtime.until(lambda: all(c.asked >= n + 2 for c, n in zip(clients, had, strict=True)))


def test_a_hot_swap_under_load_fails_no_request(runtime: Runtime, registry: StandIn) -> None:
    first = registry.publish(models.onnx_digits())
    second = registry.publish(models.onnx_digits(shuffled=True), version=2)
    runtime.models = [pin(first)]
    with running(runtime):
        runtime.until_state("AVAILABLE")

        def swap() -> None:
            for old, new in ((first, second), (second, first), (first, second)):
                assert load(runtime, new).status_code == 202
                runtime.until_state("AVAILABLE", version=new.version)
                assert runtime.control("POST", f"digits/versions/{new.version}/activate").is_success
                assert serving(runtime) == str(new.version)
                assert runtime.control("DELETE", f"digits/versions/{old.version}").is_success

        clients = under_load(runtime, swap)
        assert [client.failures for client in clients] == [[], [], [], []]
        assert {version for client in clients for version in client.versions} == {"1", "2"}


def test_a_load_that_fails_leaves_the_old_version_serving(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    broken = registry.publish({"model.onnx": b"junk"}, version=2)
    with running(runtime):
        runtime.until_state("AVAILABLE")

        def fail() -> None:
            load(runtime, broken)
            runtime.until_state("REFUSED", version=2)
            answer = runtime.control("POST", "digits/versions/2/activate")
            assert answer.status_code == 409
            assert "REFUSED, not AVAILABLE. verified, but not loadable" in answer.json()["detail"]

        clients = under_load(runtime, fail)
        assert [client.failures for client in clients] == [[], [], [], []]
        assert {version for client in clients for version in client.versions} == {"1"}
        assert runtime.get("/readyz").status_code == 200


def test_a_candidate_answers_only_by_its_number_and_to_the_control_token(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    candidate = registry.publish(models.onnx_digits(shuffled=True), version=2)
    with running(runtime):
        runtime.until_state("AVAILABLE")
        load(runtime, candidate)
        assert not runtime.until_state("AVAILABLE", version=2)["active"]
        assert serving(runtime) == "1"
        path = "/v1/models/digits/versions/2"
        for headers in ({}, {"authorization": "Bearer wrong"}):
            hidden = runtime.post(f"{path}:predict", BODY, headers=headers)
            assert hidden.status_code == 404
            assert hidden.json() == {"error": "Servable not found for request: Specific(digits, 2)"}
        token = {"authorization": f"Bearer {CONTROL_TOKEN}"}
        named = runtime.post(f"{path}:predict", BODY, headers=token)
        assert named.headers["plimsoll-version"] == "2"


def test_a_restart_serves_what_was_active(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    second = registry.publish(models.onnx_digits(shuffled=True), version=2)
    with running(runtime):
        runtime.until_state("AVAILABLE")
        load(runtime, second)
        runtime.until_state("AVAILABLE", version=2)
        assert runtime.control("POST", "digits/versions/2/activate").status_code == 200
    runtime.start()
    try:
        runtime.until_state("AVAILABLE", version=1)
        assert runtime.until_state("AVAILABLE", version=2)["active"]
        assert serving(runtime) == "2"
    finally:
        runtime.stop()


def test_an_empty_runtime_is_ready_and_takes_its_first_version(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_digits())
    with running(runtime):
        assert runtime.get("/readyz").status_code == 200
        assert load(runtime, published).json()["state"] == "LOADING"
        runtime.until_state("AVAILABLE")
        assert runtime.post(DIGITS, BODY).status_code == 404
        runtime.control("POST", "digits/versions/1/activate")
        assert serving(runtime) == "1"


def test_repeating_a_step_changes_nothing(runtime: Runtime, registry: StandIn) -> None:
    published = registry.publish(models.onnx_digits())
    with running(runtime):
        for _ in range(2):
            assert load(runtime, published).status_code == 202
        runtime.until_state("AVAILABLE")
        assert load(runtime, published).json()["state"] == "AVAILABLE"
        for _ in range(2):
            assert runtime.control("POST", "digits/versions/1/activate").status_code == 200
        written = runtime.config.read_bytes()
        for _ in range(2):
            assert runtime.control("POST", "digits/versions/1/activate").status_code == 200
        assert runtime.config.read_bytes() == written
        for _ in range(2):
            assert runtime.control("DELETE", "digits/versions/1").status_code == 204
        assert runtime.get("/plimsoll/status").json()["models"] == []
        assert runtime.post(DIGITS, BODY).status_code == 404


def test_another_digest_for_the_same_version_is_a_conflict(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    other = registry.publish(models.onnx_digits(shuffled=True))
    with running(runtime):
        answer = load(runtime, other)
        assert answer.status_code == 409
        assert answer.json()["code"] == "conflict"


def test_a_refused_version_is_tried_again_when_asked_again(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publication(models.onnx_digits())
    with running(runtime):
        load(runtime, published)
        runtime.until_state("REFUSED")
        registry.publish(models.onnx_digits())
        assert load(runtime, published).json()["state"] == "LOADING"
        runtime.until_state("AVAILABLE")


def test_a_version_may_be_unloaded_while_it_is_pulled(runtime: Runtime, registry: StandIn) -> None:
    contents = {"a.bin": bytes(5_000_000)} | models.onnx_digits()
    published = registry.publish(contents)
    registry.hold_after = 3_000_000
    with running(runtime):
        load(runtime, published)
        runtime.until(lambda: any(path.stat().st_size for path in runtime.cache.rglob("a.bin")))
        assert runtime.control("DELETE", "digits/versions/1").status_code == 204
        assert runtime.get("/plimsoll/status").json()["models"] == []
        registry.release()
        load(runtime, published)
        runtime.until_state("AVAILABLE")


def test_traffic_can_be_taken_off_a_model(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.control("DELETE", "digits/active").status_code == 204
        assert runtime.post(DIGITS, BODY).status_code == 404
        assert runtime.status()["state"] == "AVAILABLE"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "", "Basic plm_control_test"])
def test_without_the_token_nothing_changes(
    runtime: Runtime, registry: StandIn, header: str | None
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        answer = runtime.control("DELETE", "digits/versions/1", shown=header)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthenticated"
        assert runtime.status()["active"]


def test_an_empty_token_file_opens_nothing(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        (runtime.folder / "control").write_text("\n")
        answer = runtime.control("DELETE", "digits/versions/1", shown="Bearer")
        assert answer.status_code == 401


def test_outside_process_mode_there_is_no_control(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    runtime.write_config()
    document = json.loads(runtime.config.read_text()) | {"controlTokenFile": None}
    runtime.config.write_text(json.dumps(document))
    runtime.start()
    try:
        assert runtime.control("DELETE", "digits/versions/1").status_code == 404
    finally:
        runtime.stop()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "body is not valid JSON"),
        (b'{"digest": "sha256:1", "format": "onnx"}', "is not a digest"),
        (b'{"digest": "sha256:%s", "format": "pickle"}' % (b"0" * 64), "must be onnx or saved_mod"),
        (b'{"digest": "sha256:%s", "latest": 1}' % (b"0" * 64), "unknown field 'latest'"),
    ],
)
def test_a_bad_load_is_told_what_is_wrong(runtime: Runtime, body: bytes, said: str) -> None:
    with running(runtime):
        answer = runtime.control("PUT", "digits/versions/1", body)
        assert answer.status_code == 422
        assert said in answer.json()["detail"]
