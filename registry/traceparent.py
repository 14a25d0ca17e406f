"""The span that this thread works under, where the program is traced at all.

OpenTelemetry is heavy and seldom declared: where nobody has loaded it, there is no span.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from registry import errors


@contextmanager
def loading_the_sdk(address: str) -> Iterator[None]:
    """While it is imported for the collector at `address`; raises InvalidConfig where that is none,
    or the packages are not installed."""
    if not address.startswith(("http://", "https://")):
        raise errors.InvalidConfig(
            f"traces = {address!r} is not an address", fix="write it like http://collector:4318"
        )
    try:
        yield
    except ImportError as error:
        raise errors.InvalidConfig(
            "traces need packages that are not installed",
            fix="install plimsoll[traces], or take the setting traces out",
        ) from error


def current() -> tuple[int, int] | None:
    """The ids of trace and span; None outside of any."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    return (context.trace_id, context.span_id) if context.is_valid else None


def headers() -> dict[str, str]:
    """What a request carries on to whom it asks: W3C Trace Context, or nothing."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    flags = int(context.trace_flags)
    return {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{flags:02x}"}
