"""SIGTERM ends the process in order: what was asked is answered, then exit code 0."""

import os
import signal
import socket
from contextlib import closing

from tests.runtime import models
from tests.runtime.process import PATIENCE, Runtime, halt, only_child, patient, pin, running, sent
from tests.runtime.stand_in import StandIn

ASKED = {"inputs": [[1.0] * 256] * 100}


def test_sigterm_takes_no_more_connections_lets_a_request_finish_and_exits_with_zero(
    runtime: Runtime, registry: StandIn
) -> None:
    one = registry.publish(models.onnx_slow(1))
    runtime.models = [pin(one) | {"isolation": "process"}]
    runtime.limits = {"deadlineSeconds": 120}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        model = only_child(runtime)
        halt(model)  # whatever it is asked now stays in flight until it goes on
        with closing(sent(runtime, "/v1/models/digits:predict", ASKED)) as connection:
            runtime.until(runtime.is_asked)
            assert runtime.get("/readyz").status_code == 200
            assert runtime.child is not None
            runtime.child.terminate()
            runtime.until(lambda: not _listens(runtime))
            assert runtime.child.poll() is None, "the request was not waited for"
            os.kill(model, signal.SIGCONT)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert runtime.child.wait(PATIENCE) == 0
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"1.0") == 256 * 100


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
    runtime.program = patient("server", "_EVENTS_SECONDS")
    registry.refused_events = 2  # a little later than they would be
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.stop() == 0
    assert [event["kind"] for event in registry.events.values()] == ["verified", "loaded"]


def test_each_start_is_its_own_event(runtime: Runtime, registry: StandIn) -> None:
    runtime.models = [pin(registry.publish(models.onnx_digits()))]
    runtime.program = patient("server", "_EVENTS_SECONDS")
    for _ in range(2):
        with running(runtime):
            runtime.until_state("AVAILABLE")
            assert runtime.stop() == 0
    told = [event["kind"] for event in registry.events.values()]
    assert told == ["verified", "loaded", "verified", "loaded"]


def _listens(runtime: Runtime) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", runtime.port)) == 0
