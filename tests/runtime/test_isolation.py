"""A model in a process of its own: whatever happens to it, the runtime says so and goes on."""

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import InvalidInput, Unavailable, UnsafeModel
from runtime.backends import frames, opening
from runtime.backends.isolated import IsolatedBackend
from runtime.backends.protocol import DEFAULT_CALL, Settings
from runtime.explaining import derivation
from tests.runtime import models
from tests.runtime.process import Runtime, children, halt, kill, only_child, pin, running
from tests.runtime.stand_in import StandIn

ONE = {"x": np.ones((1, 256), np.float32)}


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[IsolatedBackend]:
    (tmp_path / "model.onnx").write_bytes(models.onnx_slow(1)["model.onnx"])
    backend = opening.opened("onnx", tmp_path, Settings(isolation="process", seconds=60))
    assert isinstance(backend, IsolatedBackend)
    yield backend
    backend.close()


def process_of(backend: IsolatedBackend) -> int:
    assert backend._worker is not None
    return backend._worker._process.pid


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, f"no {what}"
        time.sleep(0.01)


def waiting() -> int:
    """How many threads have asked a process and wait for its answer."""
    stacks = [traceback.walk_stack(top) for top in sys._current_frames().values()]
    return sum(
        any(frame.f_code is frames.receive.__code__ for frame, _ in stack) for stack in stacks
    )


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_costs_the_requests_inside_and_no_others(
    quick: IsolatedBackend, number: int
) -> None:
    quick._delay = 3600  # before it is started again
    process = process_of(quick)
    halt(process)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(quick.run, DEFAULT_CALL, ONE) for _ in range(2)]
        until(lambda: waiting() == 2, "request inside")
        os.kill(process, number)
        os.kill(process, signal.SIGCONT)
        for one in asked:
            with pytest.raises(Unavailable, match=signal.Signals(number).name):
                one.result()
    assert "it is being started again" in quick.trouble
    with pytest.raises(Unavailable, match="being started again"):
        quick.run(DEFAULT_CALL, ONE)


def test_it_answers_again_after_a_crash(quick: IsolatedBackend) -> None:
    kill(process_of(quick), signal.SIGSEGV)
    with pytest.raises(Unavailable):
        quick.run(DEFAULT_CALL, ONE)
    until(lambda: not quick.trouble, "new process")
    assert quick.run(DEFAULT_CALL, ONE)["y"].tolist() == ONE["x"].tolist()


def test_who_asks_between_two_processes_is_not_told_of_an_unload(quick: IsolatedBackend) -> None:
    quick._worker, found = None, quick._worker  # as it is until `trouble` says more, or no more
    with pytest.raises(Unavailable, match="it is started again"):
        quick.run(DEFAULT_CALL, ONE)
    quick._worker = found
    quick.close()
    with pytest.raises(Unavailable, match="unloaded"):
        quick.run(DEFAULT_CALL, ONE)


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(models.onnx_slow(1)["model.onnx"])
    backend = opening.opened("onnx", tmp_path, Settings(isolation="process", seconds=2))
    assert isinstance(backend, IsolatedBackend)
    halt(process_of(backend))
    with pytest.raises(Unavailable, match="did not answer within 2 seconds and was ended"):
        backend.run(DEFAULT_CALL, ONE)
    until(lambda: not backend.trouble, "answer after it was ended")
    backend.close()


@pytest.mark.parametrize(("number", "raised"), [
    (signal.SIGKILL, Unavailable), (signal.SIGTERM, Unavailable), (signal.SIGSEGV, UnsafeModel),
])  # fmt: skip
def test_one_that_is_killed_while_it_loads_is_not_called_unsafe(
    tmp_path: Path, number: int, raised: type[Exception]
) -> None:
    os.mkfifo(tmp_path / "model.onnx")  # whoever loads it stops here
    before = set(children(os.getpid()))
    with ThreadPoolExecutor(1) as threads:
        opened = threads.submit(
            opening.opened, "onnx", tmp_path, Settings(isolation="process", seconds=60)
        )
        until(lambda: bool(set(children(os.getpid())) - before), "process")
        (process,) = set(children(os.getpid())) - before
        os.kill(process, number)
        with pytest.raises(raised, match=f"{signal.Signals(number).name}.* while it loaded"):
            opened.result()


def test_a_version_whose_process_is_killed_while_it_loads_is_tried_again(
    runtime: Runtime, registry: StandIn
) -> None:
    """To a reconciler a refusal would be the version's own fault."""
    runtime.models = [pin(registry.publish(models.onnx_digits())) | {"isolation": "process"}]
    with running(runtime):
        assert runtime.child is not None
        own = runtime.child.pid
        runtime.until(lambda: bool(children(own)))
        os.kill(only_child(runtime), signal.SIGKILL)
        runtime.until_state("AVAILABLE")
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
    assert '"refused"' not in runtime.log


def test_it_is_started_again_after_whatever_kept_it_from_that(quick: IsolatedBackend) -> None:
    arguments, quick._arguments = quick._arguments, ("onnx", Path(), None)  # type: ignore[assignment]
    kill(process_of(quick))
    with pytest.raises(Unavailable):
        quick.run(DEFAULT_CALL, ONE)
    until(lambda: "cannot be started again" in quick.trouble, "failure")
    quick._arguments = arguments
    until(lambda: not quick.trouble, "new process")
    assert quick.run(DEFAULT_CALL, ONE)["y"].tolist() == ONE["x"].tolist()


def test_whoever_waits_for_a_process_that_computes_gradients_is_told_of_any_failure() -> None:
    with pytest.raises(AttributeError):
        derivation._begun(None).result(60)  # type: ignore[arg-type]


def test_large_tensors_come_through(quick: IsolatedBackend) -> None:
    many = np.random.default_rng(1).random((20_000, 256), np.float32)
    assert np.array_equal(quick.run(DEFAULT_CALL, {"x": many})["y"], many)


def test_it_has_no_network(quick: IsolatedBackend) -> None:
    own = Path("/proc/self/ns/net").readlink()
    assert Path(f"/proc/{process_of(quick)}/ns/net").readlink() != own


def test_it_ends_with_the_version(quick: IsolatedBackend) -> None:
    found = Path(f"/proc/{process_of(quick)}")
    quick.close()
    assert not found.exists()


def test_a_trial_refuses_what_does_not_load_and_serves_what_does(tmp_path: Path) -> None:
    trial = Settings(isolation="trial")
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UnsafeModel, match="cannot load"):
        opening.opened("onnx", tmp_path, trial)
    (tmp_path / "model.onnx").write_bytes(models.onnx_slow(1)["model.onnx"])
    backend = opening.opened("onnx", tmp_path, trial)
    assert not isinstance(backend, IsolatedBackend)
    assert backend.run(DEFAULT_CALL, ONE)["y"].shape == (1, 256)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["", '{"tensors":[]}', '{"tensors":[{"size":3}]}']))
def test_whatever_a_foreign_process_sends_is_a_frame_or_broken(noise: bytes, head: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        start = len(head).to_bytes(4) + len(noise).to_bytes(8) + head.encode() if head else b""
        theirs.sendall(start + noise)
        theirs.shutdown(socket.SHUT_WR)
        try:
            _, arrays = frames.receive(ours)
        except frames.Broken:
            return
    assert arrays == {}


def test_the_runtime_says_that_a_model_is_being_started_again(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_digits())
    runtime.models = [pin(published) | {"isolation": "process"}]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        kill(only_child(runtime), signal.SIGSEGV)
        body = {"instances": [[0.5] * 64]}
        answer = runtime.post("/v1/models/digits:predict", body)
        assert answer.status_code == 503
        assert "the model's own process ended by SIGSEGV" in answer.json()["error"]
        runtime.until(lambda: runtime.get("/readyz").status_code == 200)
        assert runtime.post("/v1/models/digits:predict", body).status_code == 200


def test_strings_of_other_lengths_than_said_are_broken() -> None:
    with pytest.raises(InvalidInput):
        frames._strings(memoryview(b"\x09\0\0\0ab"), 1, (1,))
