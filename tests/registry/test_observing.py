"""What a registry says of its own work: access log, traces; and what it never says."""

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from registry import configuration, errors, logs
from registry.api import tracing
from registry.api.server import Server
from registry.settings import Running, Settings
from tests.registry import program
from tests.registry.program import Program

TRACE = "0af7651916cd43dd8448eb211c80319c"
LINE = {
    "event", "level", "timestamp", "method", "route", "path", "status", "ms", "bytes", "actor",
    "request_id",
}  # fmt: skip


@dataclass
class Collector:
    """Takes OTLP over HTTP, as a real one does."""

    address: str
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for attribute in resource.resource.attributes:
                if attribute.key == "service.name":
                    self.services.add(attribute.value.string_value)
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def wait_for(self, name: str, trace: str = "") -> None:
        """At its end a program waits for a moment only for spans to be taken."""
        end = time.monotonic() + 60
        while not any(trace in span.trace_id.hex() for span in self.named(name)):
            assert time.monotonic() < end, self.spans
            time.sleep(0.02)

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are sent every 100 ms, not every five seconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def use(running: Program) -> dict[str, str]:
    """Some requests; returns the headers of one that belonged to a trace."""
    parent = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    with running.client() as client:
        made = client.post("/v1/tokens", json={"role": "auditor", "name": "ann"})
        client.get("/v1/models/" + made.json()["token"])
        client.get("/v1/models", headers={"Authorization": f"Basic {running.token}"})
        client.get(f"/v1/trust?token={running.token}")
        client.get("/livez")
        client.get("/readyz")
        return dict(client.get("/v1/models", headers=parent).headers)


def test_each_request_is_one_line_of_json_and_a_trace_and_no_token_is_ever_told(
    tmp_path: Path,
) -> None:
    with (
        collecting() as collector,
        program.serving(tmp_path / "data", traces=collector.address) as running,
    ):
        headers = use(running)
        token = running.token
        collector.wait_for("GET /v1/models", TRACE)
        assert running.stop() == 0
        lines = [line for line in running.log() if line["event"] == "request"]
        text = running.stderr.read_text()

    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/tokens", 201),
        ("GET", "/v1/models/{name}", 404),
        ("GET", "/v1/models", 401),
        ("GET", "/v1/trust", 200),
        ("GET", "/v1/models", 200),
    ]
    assert all(line.keys() >= LINE for line in lines)
    assert [line["actor"] for line in lines] == [
        "admin:first-start", "admin:first-start", "", "admin:first-start", "admin:first-start",
    ]  # fmt: skip
    assert (lines[4]["request_id"], lines[4]["trace_id"]) == (headers["request-id"], TRACE)
    assert lines[0]["bytes"] > 0

    assert token not in text
    assert re.findall(r"plm_[0-9a-f]{16}_(?!\\u2026)", text) == []

    assert collector.services == {"plimsoll-registry"}
    (traced,) = [span for span in collector.named("GET /v1/models") if span.trace_id.hex() == TRACE]
    below = [span for span in collector.spans if span.parent_span_id == traced.span_id]
    assert "SELECT" in {span.name for span in below}
    assert not [span for span in collector.spans if "livez" in span.name or "readyz" in span.name]
    assert token.encode() not in b"".join(span.SerializeToString() for span in collector.spans)


def test_a_collector_that_is_away_holds_up_nothing(tmp_path: Path) -> None:
    away = "http://127.0.0.1:9"
    with program.serving(tmp_path / "data", traces=away) as running:
        assert use(running)["content-type"] == "application/json"
        assert running.stop() == 0


def test_calls_to_the_store_are_spans_too(settings: Settings) -> None:
    with collecting() as collector:
        traced = replace(settings, running=Running(traces=collector.address))
        running = Server(traced)
        running.start()
        httpx2.get(f"{running.addresses[0]}/readyz").raise_for_status()
        collector.wait_for("blobs.check")
        running.stop()
    assert len(collector.named("blobs.check")) == 1


def test_without_its_packages_tracing_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "registry.api.exporting", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    wanted = Settings(tmp_path, running=Running(traces="http://127.0.0.1:4318"))
    with pytest.raises(errors.InvalidConfig) as caught:
        tracing.exporter(wanted)
    assert "plimsoll[traces]" in caught.value.fix


def test_an_address_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidConfig, match="collector:4317"):
        tracing.exporter(Settings(tmp_path, running=Running(traces="collector:4317")))


def test_a_token_stays_unsaid_wherever_it_stands() -> None:
    token = "plm_0123456789abcdef_" + "x" * 43
    event = {"event": f"got {token}", "path": f"/v1/{token}/x", "count": 1}
    hidden = logs.hide_tokens(None, "info", event)
    assert json.dumps(hidden).count("plm_0123456789abcdef_\\u2026") == 2
    assert "xxx" not in json.dumps(hidden)


@pytest.mark.parametrize(
    "line",
    [
        "webhook_attempts = 0",
        "webhook_seconds = 0",
        "webhook_seconds = 61",
        "webhook_hosts = 'all'",
        "mail_server = 'smtp.example.org:http'",
        "mail_from = 'ops'\nmail_server = 'smtp.example.org'",
        "mail_security = 'ssl'",
        "mail_security = 'off'\nmail_server = 'smtp.example.org'\nmail_from = 'a@example.org'",
        "mail_login_file = 'a'\nmail_security = 'off'\nmail_server = '[::1]'\nmail_from = 'a@b.c'",
        "mail_pause_seconds = 0",
        "free_mib = -1",
        "drain_seconds = -1",
        "grace_seconds = -0.5",
    ],
)
def test_a_setting_out_of_bounds_is_refused_by_its_name(tmp_path: Path, line: str) -> None:
    file = tmp_path / "plimsoll.toml"
    file.write_text(f"[registry]\n{line}\n")
    with pytest.raises(errors.InvalidConfig, match=line.partition(" ")[0]):
        configuration.load(file)
