"""Whoever leaves, or is told that it took too long, does not keep an engine at work for nobody."""

import asyncio
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry import errors
from runtime.backends import stopping
from runtime.backends.onnx import OnnxBackend
from runtime.backends.protocol import DEFAULT_CALL, Arrays, Settings
from runtime.backends.stopping import Stop
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running, sent
from tests.runtime.simulated import Rig, simulate
from tests.runtime.stand_in import StandIn
from tests.runtime.test_isolation import until
from tests.runtime.test_scheduler import MOST

FOR_EVER = 1_000_000_000
PATH = "/v1/models/digits:predict"


def test_it_is_told_to_stop_once_nobody_of_a_batch_waits() -> None:
    async def main() -> None:
        rig, told = Rig(MOST, seconds=lambda: 5.0), list[bool]()
        whole = rig.backend.run

        def run(call: str, inputs: Arrays) -> dict[str, Any]:
            told.append(stopping.is_told())
            return whole(call, inputs)

        rig.backend.run = run  # type: ignore[method-assign]
        for who_leave in ([0, 1], [1]):
            asked = [rig.ask(1.0), rig.ask(2.0)]
            await asyncio.sleep(0.1)
            for one in who_leave:
                asked[one].cancel()
            await asyncio.wait(asked)
            await rig.scheduler.drained()
        assert told == [True, False]

    simulate(main())


def test_it_is_told_to_stop_when_its_time_is_over() -> None:
    async def main() -> None:
        rig, told = Rig(MOST, seconds=lambda: 5.0, deadline=1.0), list[bool]()

        def run(call: str, inputs: Arrays) -> dict[str, Any]:
            told.append(stopping.is_told())
            raise RuntimeError("ended")

        rig.backend.run = run  # type: ignore[method-assign]
        asked = [rig.ask(1.0), rig.ask(2.0)]
        await asyncio.wait(asked)
        assert all(isinstance(one.exception(), errors.WaitTimedOut) for one in asked)
        await rig.scheduler.drained()
        assert told == [True]  # and not once more for each of them

    simulate(main())


def test_onnxruntime_stops_midway(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(models.onnx_slow(FOR_EVER)["model.onnx"])
    backend, stop = OnnxBackend(tmp_path, Settings(threads=1)), Stop()

    def work() -> None:
        with stopping.heeding(stop):
            backend.run(DEFAULT_CALL, {"x": np.zeros((1, 256), np.float32)})

    with ThreadPoolExecutor(1) as engine:
        asked = engine.submit(work)
        until(_is_inside, "run of the engine")
        stop.tell()
        with pytest.raises(Exception, match="terminate flag"):
            asked.result(60)


def test_a_word_that_comes_before_the_engine_begins_is_heeded(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(models.onnx_slow(FOR_EVER)["model.onnx"])
    backend, stop = OnnxBackend(tmp_path, Settings(threads=1)), Stop()
    stop.tell()
    with stopping.heeding(stop), pytest.raises(Exception, match="terminate flag"):
        backend.run(DEFAULT_CALL, {"x": np.zeros((1, 256), np.float32)})


def test_the_next_client_of_a_slow_model_does_not_wait_for_one_who_left(
    runtime: Runtime, registry: StandIn
) -> None:
    published = registry.publish(models.onnx_slow(20_000))
    runtime.models = [pin(published) | {"instances": 1, "threads": 1}]
    runtime.limits = {"deadlineSeconds": 600}
    with running(runtime):
        runtime.until_state("AVAILABLE")
        # Minutes of work: more than anybody waits for here.
        leaving = sent(runtime, PATH, {"inputs": [[0.0] * 256] * 8000})
        runtime.until(runtime.is_asked)
        leaving.close()
        answer = runtime.post(PATH, {"inputs": [[0.5] * 256]})
        assert (answer.status_code, answer.json()["outputs"]) == (200, [[0.5] * 256])
        assert "inference failed" not in runtime.log


def _is_inside() -> bool:
    """Whether a thread has called the engine; it is at work then, or just about to be."""
    stacks = [traceback.walk_stack(top) for top in sys._current_frames().values()]
    return any(frame.f_code is OnnxBackend.run.__code__ for stack in stacks for frame, _ in stack)
