"""A span for each call to the blob store that waits for it."""

from collections.abc import Callable
from typing import Any, cast

from opentelemetry.trace import SpanKind, Tracer

from registry.store.blobs import BlobStore

_CALLS = frozenset({"check", "delete", "local", "put", "put_all", "size"})


def traced(blobs: BlobStore, tracer: Tracer) -> BlobStore:
    """The same store, telling of what is asked of it. Streams are not followed."""
    return cast("BlobStore", _Traced(blobs, tracer))


class _Traced:
    def __init__(self, blobs: BlobStore, tracer: Tracer) -> None:
        self._blobs = blobs
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blobs, name)
        return self._telling(name, found) if name in _CALLS else found

    def _telling(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def told(*given: Any, **named: Any) -> Any:
            with self._tracer.start_as_current_span(f"blobs.{name}", kind=SpanKind.CLIENT):
                return call(*given, **named)

        return told
