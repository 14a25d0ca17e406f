"""One trace from a commit to the answer of the version that it brought: three programs, no word
between them of how the trace is called."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from reconciler import tracing
from registry import errors
from registry.core import commit_trace
from registry.settings import Running
from tests.reconciler.town import Town, reconciler, town
from tests.registry.publishing import Publisher
from tests.registry.test_observing import Collector, collecting
from tests.runtime.process import Runtime
from tests.runtime.stand_in import StandIn


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def serve(here: Town, collector: Collector, folder: Path) -> None:
    """The instance that the host was told to start, run for real, asked once and ended."""
    spec = here.serving()
    assert spec is not None
    launch = here.hosts["edge-1"].launches[spec.name]
    observing = {"observing": {"traces": {"endpoint": collector.address, "rate": 1.0}}}
    pin = {
        "model": "digits", "version": 1, "digest": here.digests[1], "format": "onnx",
        "active": True, "deployment": "production/digits", "permit": json.loads(launch.permit),
    }  # fmt: skip
    runtime = Runtime(folder, StandIn(), [pin], more=observing | {"registry": launch.registry_url})
    folder.mkdir()
    runtime.write_config()
    (folder / "token").write_text(launch.token)
    (folder / "trust.json").write_text(launch.trust)
    runtime.start()
    try:
        runtime.until_state("AVAILABLE")
        assert runtime.post("/v1/models/digits:predict", {"instances": [[1.0] * 4]}).is_success
    finally:
        runtime.stop()


def about(span: Span) -> dict[str, str]:
    return {one.key: one.value.string_value for one in span.attributes}


def below(spans: list[Span], above: Span | bytes) -> dict[str, Span]:
    parent = above if isinstance(above, bytes) else above.span_id
    return {span.name: span for span in spans if span.parent_span_id == parent}


def test_a_commit_its_plan_its_actions_the_registry_and_the_runtime_are_one_trace(
    tmp_path: Path, collector: Collector
) -> None:
    publisher, line = Publisher(), f'traces = "{collector.address}"\n'
    with town(tmp_path, publisher, line, running=Running(traces=collector.address)) as here:
        here.publish(1, publisher)
        commit = here.deploy(1)
        here.settle()
        serve(here, collector, tmp_path / "machine")
    root = commit_trace.of(commit)
    spans = [span for span in collector.spans if int.from_bytes(span.trace_id) == root.trace]
    (first,) = [span for span in spans if span.name == "commit"]
    assert (int.from_bytes(first.span_id), first.parent_span_id) == (root.span, b"")
    plans = [span for span in spans if span.name == "plan"]
    assert all(span.parent_span_id == first.span_id for span in plans)
    acted = {name: span for plan in plans for name, span in below(spans, plan).items()}
    assert {"preflight", "start", "route", "settle"} <= set(acted)
    # What an action asked the registry for is told by the registry, below it.
    assert "POST /v1/events" in below(spans, acted["start"])
    said = about(acted["start"])
    assert (said["host.name"], said["plimsoll.deployment"]) == ("edge-1", "production/digits")
    assert (said["plimsoll.outcome"], said["vcs.ref.head.revision"]) == ("done", commit)
    load = below(spans, first)["load"]
    assert {"obtain", "open"} == set(below(spans, load))
    asked = below(spans, below(spans, load)["obtain"])
    assert any(name.startswith("GET /v1/models/{") for name in asked)
    # A client's own trace is another one; from the answer a link leads here.
    (answer,) = collector.named("infer")
    assert answer.trace_id != first.trace_id
    assert [(one.trace_id, one.span_id) for one in answer.links] == [
        (first.trace_id, first.span_id)
    ]
    assert collector.services == {"plimsoll-registry", "plimsoll-reconciler", "plimsoll-runtime"}


def test_an_action_that_fails_is_an_error_and_a_restart_tells_of_no_commit_twice(
    tmp_path: Path, collector: Collector
) -> None:
    publisher, line = Publisher(), f'traces = "{collector.address}"\n'
    with town(tmp_path, publisher, line) as here:
        here.publish(1, publisher)
        here.hosts["edge-1"].faults["start"] = errors.Unavailable("the disk is full")
        commit = here.deploy(1)
        here.settle()
        here.loop.memory._folder.close()
        with reconciler(here.folder, here.hosts) as here.loop:
            here.rounds(2)
    failed = [
        span for span in collector.named("start") if span.status.code == Status.STATUS_CODE_ERROR
    ]
    assert [span.status.message for span in failed] == ["the disk is full"]
    told = [about(span)["vcs.ref.head.revision"] for span in collector.named("commit")]
    assert told.count(commit) == 1


def test_the_id_is_what_the_documentation_says() -> None:
    said = hashlib.sha256(b"plimsoll commit 0123abc").hexdigest()
    assert commit_trace.of("0123abc").traceparent == f"00-{said[:32]}-{said[32:48]}-01"


@pytest.mark.parametrize("address", ["collector:4318", "ftp://collector"])
def test_what_is_no_address_of_a_collector_is_refused(address: str) -> None:
    with pytest.raises(errors.InvalidConfig, match="is not an address"):
        tracing.opened(address, "")
