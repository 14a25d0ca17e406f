"""The registry's spans, without tokens. The SDK is heavy: only tracing imports this."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

from registry import logs
from registry.spans import Exporter


def without_tokens(address: str) -> Exporter:
    """Of what this process does, to the collector at `address`."""
    return Exporter(address, "plimsoll-registry", processors=[_HidingTokens()])


class _HidingTokens(SpanProcessor):
    """Whoever sends a token in an address has it in the span's attributes, if nobody looks."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        for name, value in dict(span.attributes or {}).items():
            if isinstance(value, str) and logs.without_tokens(value) != value:
                span.set_attribute(name, logs.without_tokens(value))
