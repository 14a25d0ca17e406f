"""A runtime with a copy of its own: it serves that, and nobody else's."""

import onnx
from onnx import numpy_helper

from registry.core import digest
from tests.core.marked_publication import Marked
from tests.runtime import models
from tests.runtime.process import Runtime, pin, running
from tests.runtime.stand_in import StandIn

DIGITS = "/v1/models/digits:predict"
BODY = {"instances": [[0.5] * 64]}


def marked(scale: float) -> dict[str, bytes]:
    """The digits' model with all its weights a little larger."""
    [(path, content)] = models.onnx_digits().items()
    model = onnx.load_from_string(content)
    for tensor in model.graph.initializer:
        if len(tensor.dims) >= 2:
            weights = numpy_helper.to_array(tensor) * scale
            tensor.CopyFrom(numpy_helper.from_array(weights.astype("float32"), tensor.name))
    return {path: bytes(model.SerializeToString())}


COPY = marked(1.02)


def publish(registry: StandIn, **lies: object) -> Marked:
    """A marked version, with a copy for edge-1 in its envelope."""
    found = Marked(
        marked(1.01),
        original=marked(1.0),
        publisher=registry.publisher,
        registry=registry.registry,
        log=registry.log,
    )
    registry.file(found, copy=found.copy(COPY, **lies))
    registry.blobs = {digest.of(data): data for data in COPY.values()}
    return found


def refused(runtime: Runtime) -> str:
    status = runtime.until_state("REFUSED")
    assert (status["check"], status["code"]) == ("copy", "copy_of_another")
    assert runtime.post(DIGITS, BODY).status_code == 404
    runtime.until(lambda: bool(runtime.registry.events))
    told = {event["reason"] for event in runtime.registry.events.values()}
    assert told == {status["reason"]}
    return str(status["reason"])


def test_a_host_serves_its_own_copy_also_when_the_registry_is_gone(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(publish(registry))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        answer = runtime.post(DIGITS, BODY).json()
    [kept] = runtime.cache.glob("versions/*/files/model.onnx")
    assert kept.read_bytes() == COPY["model.onnx"]
    registry.envelopes.clear()
    with running(runtime):
        runtime.until_state("AVAILABLE")
        assert runtime.post(DIGITS, BODY).json() == answer


def test_a_copy_for_another_host_is_refused_by_name_and_not_downloaded(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(publish(registry, recipient="edge-2"))]
    with running(runtime):
        assert "was made for host 'edge-2', and this is host 'edge-1'" in refused(runtime)
    assert not [asked for asked in registry.requests if "/blobs/" in asked]


def test_a_copy_that_was_carried_to_another_host_is_refused_by_name(
    runtime: Runtime, registry: StandIn
) -> None:
    runtime.models = [pin(publish(registry))]
    with running(runtime):
        runtime.until_state("AVAILABLE")
        runtime.until(lambda: len(registry.events) == 2)  # none is on its way any more
    registry.envelopes.clear()
    registry.events.clear()
    runtime.host = "edge-2"
    with running(runtime):
        reason = refused(runtime)
    assert "this copy of digits@1 was made for host 'edge-1', and this is host 'edge-2'" in reason
    assert not list(runtime.cache.glob("versions/*"))
