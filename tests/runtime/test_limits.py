"""Size, time and queue are bounded, and who is turned away is told so."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running, sent
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"


def test_a_body_over_the_limit_is_refused_before_it_is_read(served: Runtime) -> None:
    response = served.post(DIGITS, b"x" * 200_001)
    assert response.status_code == 413
    assert "over 200000 bytes" in response.json()["error"]


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(served: Runtime) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * 100_000

    url = f"http://127.0.0.1:{served.port}{DIGITS}"
    with httpx2.Client() as client:
        assert client.post(url, content=endless()).status_code == 413


def test_a_request_past_its_deadline_is_given_up(served: Runtime) -> None:
    body = {"inputs": [[0.0] * 256] * 150}
    response = served.post("/v1/models/slow:predict", body)
    assert response.status_code == 504
    assert response.json() == {"error": "no answer within 1 seconds"}
    assert served.post(DIGITS, {"instances": [[0.5] * 64]}).status_code == 200


def test_a_full_queue_turns_requests_away(tmp_path: Path) -> None:
    registry = StandIn()
    with registry.answering():
        published = registry.publish(models.onnx_slow(20_000), model="slow")
        runtime = Runtime(tmp_path, registry, [pin(published)], {"queue": 1})
        with running(runtime):
            runtime.until_state("AVAILABLE")
            body = {"inputs": [[0.0] * 256] * 150}
            with closing(sent(runtime, "/v1/models/slow:predict", body)) as slow:
                codes: list[int] = []

                def turned_away() -> bool:
                    response = runtime.post("/v1/models/slow:predict", {"inputs": [[0.0] * 256]})
                    codes.append(response.status_code)
                    return response.status_code == 429 and response.headers["retry-after"] == "1"

                runtime.until(turned_away)
                assert set(codes) <= {200, 429}
                assert slow.recv(12) == b"HTTP/1.1 200"
