"""What every test of the runtime starts from: a registry that answers, and a runtime to be."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx import TensorProto

from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn


@pytest.fixture
def registry() -> Iterator[StandIn]:
    stand_in = StandIn()
    with stand_in.answering():
        yield stand_in


@pytest.fixture
def runtime(tmp_path: Path, registry: StandIn) -> Runtime:
    """Not started yet: a test says first what it should serve."""
    return Runtime(tmp_path, registry)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One runtime with a version of each kind, for the tests that only ask."""
    registry = StandIn()
    with registry.answering():
        published = [
            registry.publish(models.onnx_digits()),
            registry.publish(models.onnx_two_inputs(), model="two"),
            registry.publish(models.onnx_identity(TensorProto.DOUBLE), model="doubles"),
            registry.publish(models.onnx_identity(TensorProto.INT8, shape=("n",)), model="bytes"),
            registry.publish(models.onnx_identity(TensorProto.STRING, shape=("n",)), model="words"),
            registry.publish(models.onnx_identity(TensorProto.BOOL, shape=("n",)), model="bools"),
        ]
        runtime = Runtime(tmp_path_factory.mktemp("served"), registry)
        runtime.models = [pin(one) for one in published]
        runtime.limits = {"bodyBytes": 200_000, "deadlineSeconds": 60}
        with running(runtime):
            runtime.until(lambda: runtime.get("/readyz").status_code == 200)
            yield runtime
