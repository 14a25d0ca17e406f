"""Spans of inferences, below the caller's: the time in the queue, and in the engine.

Made afterwards from measured times, so that nothing is carried through the batches. The
OpenTelemetry SDK is heavy and imported only where traces are declared.
"""

import random
import secrets
import threading
import time
from importlib import metadata

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from registry.errors import PlimsollError
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome
from runtime.observation import Traces
from runtime.observing.current import Current, current

_SEND_SECONDS = 5
_LAST_SECONDS = 2.0


class Exporter:
    """One for all versions; what the collector does not take is lost, and nobody waits for it."""

    def __init__(self, declared: Traces, *, host: str) -> None:
        self.rate = declared.rate
        resource = Resource.create({"service.name": "plimsoll-runtime", "host.name": host,
                                    "service.version": _release()})  # fmt: skip
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        endpoint = f"{declared.endpoint.rstrip('/')}/v1/traces"
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_SEND_SECONDS))
        )
        self.tracer = self._provider.get_tracer("plimsoll.runtime")

    def close(self) -> None:
        """Send what waits, for a moment."""
        last = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(_LAST_SECONDS)


class Spans:
    """Those of one version. A caller's decision to trace is kept; others are drawn by chance."""

    def __init__(self, exporter: Exporter, pin: Pin) -> None:
        self._tracer = exporter.tracer
        self._rate = exporter.rate
        self._draw = random.Random(secrets.randbits(64)).random  # noqa: S311
        self._attributes: dict[str, str | int] = {
            "plimsoll.model": pin.model,
            "plimsoll.version": pin.version,
            "plimsoll.digest": pin.digest,
        }

    def answered(self, asked: Asked, outcome: Outcome) -> None:
        now = current()
        if not self._is_wanted(now):
            return
        times, end = outcome.times, time.time_ns()
        computed = end - times.output
        started = computed - times.compute
        arrived = started - times.input - times.queue
        attributes = {**self._attributes, "plimsoll.call": asked.call,
                      "plimsoll.batch": outcome.batch}  # fmt: skip
        whole = self._tracer.start_span(
            "infer", _above(now), SpanKind.SERVER, attributes, start_time=arrived
        )
        below = set_span_in_context(whole)
        for name, begin, finish in (
            ("queue", arrived, arrived + times.queue),
            ("batch", arrived + times.queue, started),
            ("compute", started, computed),
        ):
            self._tracer.start_span(name, below, start_time=begin).end(finish)
        whole.end(end)

    def failed(self, asked: Asked, error: PlimsollError) -> None:
        now = current()
        if self._is_wanted(now):
            attributes = {**self._attributes, "plimsoll.call": asked.call, "error.type": error.code}
            span = self._tracer.start_span("infer", _above(now), SpanKind.SERVER, attributes)
            span.set_status(StatusCode.ERROR)
            span.end()

    def _is_wanted(self, now: Current) -> bool:
        return now.is_sampled if now.trace else self._draw() < self._rate


def _above(now: Current) -> Context | None:
    if not now.trace:
        return None
    context = SpanContext(
        int(now.trace, 16), int(now.span, 16), is_remote=True, trace_flags=TraceFlags(1)
    )
    return set_span_in_context(NonRecordingSpan(context))


def _release() -> str:
    try:
        return metadata.version("plimsoll")
    except metadata.PackageNotFoundError:  # images hold the code, and not what installed it
        return "unreleased"
