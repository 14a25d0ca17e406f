"""Spans of inferences, below the caller's: the time in the queue, and in the engine.

Made afterwards from measured times, so that nothing is carried through the batches. The
OpenTelemetry SDK is heavy and imported only where traces are declared.
"""

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from registry import errors
from registry.core import commit_trace, permit
from registry.errors import PlimsollError
from registry.spans import Exporter as Provider
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome
from runtime.observation import Traces
from runtime.observing.current import Current, current
from runtime.table import Slot


class Exporter:
    """One for all versions; what the collector does not take is lost, and nobody waits for it."""

    def __init__(self, declared: Traces, *, host: str) -> None:
        self.rate = declared.rate
        self._exporter = Provider(declared.endpoint, "plimsoll-runtime", about={"host.name": host})
        self.tracer = self._exporter.provider.get_tracer("plimsoll.runtime")

    @contextmanager
    def loading(self, slot: Slot) -> Iterator[None]:
        """A span until the version is in service or refused, below the commit that asked for it."""
        with self.tracer.start_as_current_span(
            "load", _above_load(slot.pin), SpanKind.INTERNAL, _named(slot.pin)
        ) as span:
            yield
            if slot.code:
                span.set_attribute("error.type", slot.code)
                span.set_status(StatusCode.ERROR, slot.reason)

    def close(self) -> None:
        """Send what waits, for a moment."""
        self._exporter.close()


class Spans:
    """Those of one version. A caller's decision to trace is kept; others are drawn by chance."""

    def __init__(self, exporter: Exporter, pin: Pin) -> None:
        self._tracer = exporter.tracer
        self._rate = exporter.rate
        self._draw = random.Random(secrets.randbits(64)).random  # noqa: S311
        self._attributes = _named(pin)
        # From an answer to the change that brought its version here.
        asked_for = _change(pin)
        self._links = () if asked_for is None else (Link(asked_for),)

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
            "infer", _above(now), SpanKind.SERVER, attributes, self._links, start_time=arrived
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
            span = self._tracer.start_span(
                "infer", _above(now), SpanKind.SERVER, attributes, self._links
            )
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


def _named(pin: Pin) -> dict[str, str | int]:
    return {
        "plimsoll.model": pin.model,
        "plimsoll.version": pin.version,
        "plimsoll.digest": pin.digest,
    }


def _above_load(pin: Pin) -> Context | None:
    change = _change(pin)
    return None if change is None else set_span_in_context(NonRecordingSpan(change))


def _change(pin: Pin) -> SpanContext | None:
    """The span of the commit that the permit names; believed for this purpose alone."""
    try:
        root = commit_trace.of(permit.claimed(pin.permit).commit)
    except errors.PlimsollError:
        return None
    return SpanContext(root.trace, root.span, is_remote=True, trace_flags=TraceFlags(1))
