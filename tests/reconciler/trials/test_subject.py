"""Whom a candidate is compared with: who serves on its host, and what other deployments run."""

from dataclasses import replace

import pytest

from reconciler.core import actions
from reconciler.core.observed import InstanceSpec
from reconciler.core.reasons import Reason, Why
from reconciler.engines.protocol import Launch
from reconciler.trials import subject as subjects
from reconciler.trials.subject import Subject
from registry import errors
from tests.reconciler.simulated import SimulatedEngine

LAUNCH = Launch("http://registry", "secret", "{}")
SPEC = InstanceSpec(
    host="edge-1",
    deployment="production/digits",
    model="digits",
    version=2,
    digest="sha256:" + "2" * 64,
    format="onnx",
    image="plimsoll-runtime:dev",
    memory_bytes=64 << 20,
    cpus=0.5,
    commit="c0ffee",
)
BEFORE = replace(SPEC, version=1, digest="sha256:" + "1" * 64)
TWIN = replace(SPEC, deployment="production/digits-tf", model="digits-tf", version=5)


def of(engines: dict[str, SimulatedEngine], against: str | None = None) -> Subject:
    why = Reason(Why.NOT_ACCEPTED, "")
    accept = actions.Accept("edge-1", SPEC, "revision", against, why)
    return subjects.of(accept, engines)


@pytest.fixture
def engines() -> dict[str, SimulatedEngine]:
    found = {name: SimulatedEngine(name) for name in ("aft", "edge-1")}
    found["edge-1"].start(SPEC, LAUNCH)
    found["edge-1"].start(BEFORE, LAUNCH)
    return found


def test_the_serving_version_is_the_one_that_planning_named(
    engines: dict[str, SimulatedEngine],
) -> None:
    serving = of(engines, BEFORE.name).serving
    assert serving is not None
    assert (serving.model, serving.version) == ("digits", 1)
    assert of(engines).serving is None
    assert of(engines, "gone").serving is None
    assert of(engines).memory() == 32 << 20


def test_another_deployment_is_asked_on_the_candidates_own_host_first(
    engines: dict[str, SimulatedEngine],
) -> None:
    for name in ("aft", "edge-1"):
        engines[name].start(replace(TWIN, host=name), LAUNCH)
    found = of(engines).other("digits-tf")
    assert (found.model, found.version) == ("digits-tf", 5)
    assert found.preview.url == "http://edge-1.simulated"
    engines["edge-1"].kill(TWIN.name)
    assert of(engines).other("digits-tf").preview.url == "http://aft.simulated"


def test_a_deployment_that_nobody_can_ask_is_no_verdict(
    engines: dict[str, SimulatedEngine],
) -> None:
    engines["aft"].start(replace(TWIN, host="aft"), LAUNCH)
    engines["aft"].unreachable = "timed out"
    with pytest.raises(errors.Unavailable, match="production/digits-tf runs on no host"):
        of(engines).other("digits-tf")
