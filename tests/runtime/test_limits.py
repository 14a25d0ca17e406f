"""Size, time and queue are bounded, and who is turned away is told so."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing

import httpx2

from tests.runtime import models
from tests.runtime.process import PATIENCE, Runtime, halt, only_child, pin, running, sent
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"
DIGIT = {"instances": [[0.5] * 64]}


def test_a_body_over_the_limit_is_refused_before_it_is_read(served: Runtime) -> None:
    response = served.post(DIGITS, b"x" * 200_001)
    assert response.status_code == 413
    assert "over 200000 bytes" in response.json()["error"]


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(served: Runtime) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * 100_000

    url = f"http://127.0.0.1:{served.port}{DIGITS}"
    with httpx2.Client(timeout=PATIENCE) as client:
        assert client.post(url, content=endless()).status_code == 413


def test_a_request_past_its_deadline_is_given_up(runtime: Runtime, registry: StandIn) -> None:
    published = [
        registry.publish(models.onnx_digits()),
        registry.publish(models.onnx_slow(40_000), model="slow"),
    ]
    runtime.models = [pin(one) | {"threads": 1} for one in published]
    runtime.limits = {"deadlineSeconds": 1}
    with running(runtime):
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        # Takes a minute where it is given one.
        with closing(sent(runtime, "/v1/models/slow:predict", {"inputs": [[0] * 256] * 1000})) as s:
            answer = s.recv(65536)
            assert answer.startswith(b"HTTP/1.1 504 ")
            assert answer.endswith(b'{"error":"no answer within 1 seconds"}')
        # Others are answered meanwhile, if not each of them in time on a busy machine.
        runtime.until(lambda: runtime.post(DIGITS, DIGIT).status_code == 200)


def test_a_full_queue_turns_requests_away(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits())) | {"isolation": "process"}]
    runtime.limits = {"queue": 1, "deadlineSeconds": 120}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        model = only_child(runtime)
        halt(model)  # whatever it is asked now stays in the queue until it goes on
        with closing(sent(runtime, DIGITS, DIGIT)) as first:
            runtime.until(runtime.is_asked)
            response = runtime.post(DIGITS, DIGIT)
            assert (response.status_code, response.headers["retry-after"]) == (429, "1")
            os.kill(model, signal.SIGCONT)
            assert first.recv(12) == b"HTTP/1.1 200"
