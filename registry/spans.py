"""Sends spans to a collector by OTLP over HTTP. The SDK is heavy: only tracing imports this."""

import threading
from collections.abc import Mapping, Sequence
from importlib import metadata

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator

_SEND_S = 5
_LAST_S = 2.0


class Exporter:
    """A provider of tracers whose spans go to `address`; what cannot be sent is lost, and nobody
    waits for it.

    `about` is what each span says of this program beside the name of the `service`; `processors`
    see a span before it is sent.
    """

    def __init__(
        self,
        address: str,
        service: str,
        *,
        about: Mapping[str, str] | None = None,
        processors: Sequence[SpanProcessor] = (),
        ids: IdGenerator | None = None,
    ) -> None:
        resource = Resource.create(
            {"service.name": service, "service.version": _release(), **(about or {})}
        )
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=ids)
        for processor in processors:
            self.provider.add_span_processor(processor)
        endpoint = f"{address.rstrip('/')}/v1/traces"
        self.provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=_SEND_S))
        )

    def close(self) -> None:
        """Send what waits; a collector that is away is not waited for much longer."""
        closing = threading.Thread(target=self.provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(_LAST_S)


def _release() -> str:
    try:
        return metadata.version("plimsoll")
    except metadata.PackageNotFoundError:  # images hold the code, and not what installed it
        return "unreleased"
