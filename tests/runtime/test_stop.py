"""SIGTERM ends the process in order: what was asked is answered, then exit code 0."""

import socket
from contextlib import closing

import httpx2

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running, sent
from tests.runtime.stand_in import StandIn

SLOW = "/v1/models/slow:predict"


def in_flight(runtime: Runtime) -> bool:
    page = runtime.get("/metrics").text
    return 'plimsoll_requests_in_flight{model="slow",version="1"} 0.0' not in page


def test_sigterm_lets_a_request_finish_and_exits_with_zero(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(registry.publish(models.onnx_slow(20_000), model="slow"))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        with closing(sent(runtime, SLOW, {"inputs": [[1.0] * 256] * 100})) as connection:
            runtime.until(lambda: in_flight(runtime))
            assert runtime.stop() == 0
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"1.0") == 256 * 100


def test_sigterm_ends_readiness_and_new_connections(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_slow(20_000), model="slow"))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        with (
            closing(sent(runtime, SLOW, {"inputs": [[1.0] * 256] * 100})),
            httpx2.Client(base_url=f"http://127.0.0.1:{runtime.port}") as kept,
        ):
            assert kept.get("/readyz").status_code == 200
            runtime.until(lambda: in_flight(runtime))
            assert runtime.child is not None
            runtime.child.terminate()
            runtime.until(lambda: not _listens(runtime))
            assert runtime.child.wait(30) == 0


def test_sigterm_during_a_pull_does_not_wait_for_it(runtime: Runtime, registry: StandIn) -> None:
    contents = {"a.bin": bytes(5_000_000)} | models.onnx_digits()
    runtime.models = [pin(registry.publish(contents))]
    registry.hold_after = 1_000_000
    with running(runtime):
        runtime.until(lambda: any(path.stat().st_size for path in runtime.cache.rglob("a.bin")))
        assert runtime.stop() == 0
        registry.release()


def test_events_are_told_before_the_process_ends(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.stop() == 0
    assert [event["kind"] for event in registry.events.values()] == ["verified", "loaded"]


def test_each_start_is_its_own_event(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    for _ in range(2):
        with running(runtime):
            runtime.until_state("AVAILABLE")
            assert runtime.stop() == 0
    told = [event["kind"] for event in registry.events.values()]
    assert told == ["verified", "loaded", "verified", "loaded"]


def _listens(runtime: Runtime) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", runtime.port)) == 0
