"""Traces of requests, of their statements and of their calls to the store, sent by OTLP.

Only where the setting `traces` names a collector; a collector that is away loses spans and
holds up nothing.
"""

from collections.abc import MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastapi.telemetry import TelemetryConfig

from registry import traceparent
from registry.db import tracing as statements
from registry.settings import Settings
from registry.store import tracing as calls
from registry.usecases.opening import Registry

if TYPE_CHECKING:
    from registry.spans import Exporter

_UNTRACED = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})


def exporter(settings: Settings) -> "Exporter | None":
    """None where nothing is traced; raises InvalidConfig where it cannot be."""
    address = settings.running.traces
    if not address:
        return None
    with traceparent.loading_the_sdk(address):
        from registry.api.exporting import without_tokens  # noqa: PLC0415  heavy, not always there
    return without_tokens(address)


def telemetry(found: "Exporter | None") -> TelemetryConfig:
    """How FastAPI traces: never into providers of other programs in this process."""
    return {
        "tracing": found is not None,
        "tracer_provider": found.provider if found else None,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": _is_untraced,
    }


def instrumented(registry: Registry, found: "Exporter | None") -> Registry:
    """The registry whose statements and calls to the store are traced."""
    if found is None:
        return registry
    tracer = found.provider.get_tracer("registry")
    statements.trace(registry.database, tracer)
    return replace(registry, blobs=calls.traced(registry.blobs, tracer))


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in _UNTRACED
