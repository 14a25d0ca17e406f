"""Sends spans to a collector by OTLP over HTTP. The SDK is heavy: only tracing imports this."""

import threading
from importlib import metadata

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from registry import logs

_SEND_S = 5
_LAST_S = 2.0


class Exporter:
    """A provider of tracers whose spans go to `address`; what cannot be sent is lost."""

    def __init__(self, address: str) -> None:
        resource = Resource.create(
            {"service.name": "plimsoll-registry", "service.version": metadata.version("plimsoll")}
        )
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        endpoint = f"{address.rstrip('/')}/v1/traces"
        self.provider.add_span_processor(_HidingTokens())
        self.provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_SEND_S))
        )

    def close(self) -> None:
        """Send what waits; a collector that is away is not waited for much longer."""
        closing = threading.Thread(target=self.provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(_LAST_S)


class _HidingTokens(SpanProcessor):
    """Whoever sends a token in an address has it in the span's attributes, if nobody looks."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        for name, value in dict(span.attributes or {}).items():
            if isinstance(value, str) and logs.without_tokens(value) != value:
                span.set_attribute(name, logs.without_tokens(value))
