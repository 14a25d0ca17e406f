"""Around every request: an id in answer and log, and the numbers that /metrics shows."""

import secrets
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from registry.usecases import log
from registry.usecases.opening import Registry

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120)


class Metrics:
    """One application's own collectors: two registries in one process do not mix."""

    def __init__(self, registry: Registry) -> None:
        self.collected = CollectorRegistry()
        ProcessCollector(registry=self.collected)
        PlatformCollector(registry=self.collected)
        self.requests = Counter(
            "plimsoll_registry_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.collected,
        )
        self.seconds = Histogram(
            "plimsoll_registry_request_seconds",
            "Time from a request's head to its answer's end.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.collected,
        )
        self.sent = Counter(
            "plimsoll_registry_sent_bytes", "Bytes of bodies sent.", registry=self.collected
        )
        size = Gauge("plimsoll_registry_log_size", "Entries in the log.", registry=self.collected)
        size.set_function(lambda: log.size(registry))
        uploads = Gauge(
            "plimsoll_registry_open_uploads", "Uploads begun, not ended.", registry=self.collected
        )
        uploads.set_function(lambda: registry.uploads.spooled()[0])
        spooled = Gauge(
            "plimsoll_registry_spooled_bytes", "Bytes of open uploads.", registry=self.collected
        )
        spooled.set_function(lambda: registry.uploads.spooled()[1])


class Observing:
    """ASGI middleware; it touches no body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope["plimsoll_request_id"] = request_id
        began, status, sent = time.monotonic(), 500, 0

        async def observed(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"request-id", request_id.encode()))
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            # Templates, not paths: a label for each model would grow without end.
            route = getattr(scope.get("route"), "path", "unknown")
            elapsed = time.monotonic() - began
            self.metrics.requests.labels(scope["method"], route, status).inc()
            self.metrics.seconds.labels(scope["method"], route).observe(elapsed)
            self.metrics.sent.inc(sent)
