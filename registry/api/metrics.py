"""The numbers that /metrics shows. Each process counts what it did itself; add them up.

What is asked of the database is asked with few and cheap queries, and while it is away the
numbers of the process are shown all the same.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from registry import errors
from registry.core.attempts import Step
from registry.usecases import numbers
from registry.usecases.opening import Registry

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120)
T = TypeVar("T")


class Metrics:
    """One application's own collectors: two registries in one process do not mix."""

    def __init__(self, registry: Registry) -> None:
        self.collected = CollectorRegistry()
        ProcessCollector(registry=self.collected)
        PlatformCollector(registry=self.collected)
        self.collected.register(_State(registry))
        self._requests = self._counter(
            "requests", "Requests answered.", "method", "route", "status"
        )
        self._refusals = self._counter("refusals", "Requests refused, by error code.", "code")
        self._sent = self._counter("sent_bytes", "Bytes of bodies sent.")
        self._entries = self._counter("entries", "Entries added to the log, by kind.", "kind")
        self._deliveries = self._counter(
            "webhook_attempts", "Attempts to deliver an event, by how they ended.", "outcome"
        )
        self._seconds = Histogram(
            "plimsoll_registry_request_seconds",
            "Time from a request's head to its answer's end.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.collected,
        )
        registry.database.listeners.append(self._appended)

    def answered(self, method: str, route: str, status: int, *, sent: int, seconds: float) -> None:
        """A request came to its end."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        self._sent.inc(sent)

    def refused(self, error: errors.PlimsollError) -> None:
        """A request was answered with this error."""
        self._refusals.labels(error.code).inc()

    def attempted(self, step: Step) -> None:
        """A webhook's receiver was asked to take an event."""
        self._deliveries.labels(type(step).__name__.lower()).inc()

    def _appended(self, kinds: Sequence[str]) -> None:
        for kind in kinds:
            self._entries.labels(kind).inc()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"plimsoll_registry_{name}", meaning, labels, registry=self.collected)


class _Kept(Generic[T]):
    """A value that is read again once it is `seconds` old; None where it cannot be read."""

    def __init__(self, seconds: float, read: Callable[[], T]) -> None:
        self._seconds = seconds
        self._read = read
        self._known: tuple[float, T] | None = None

    def get(self) -> T | None:
        now = time.monotonic()
        if self._known is None or now - self._known[0] > self._seconds:
            try:
                self._known = (now, self._read())
            except errors.PlimsollError:
                self._known = None
        return self._known[1] if self._known else None


class _State(Collector):
    """What database and spool hold, as of some seconds ago at most."""

    def __init__(self, registry: Registry) -> None:
        self._spooled = _Kept(1.0, registry.uploads.spooled)
        self._numbers = _Kept(1.0, lambda: numbers.read(registry))
        self._blobs = _Kept(60.0, lambda: numbers.blobs(registry))
        self._workshop = registry.workshop

    def collect(self) -> Iterator[Metric]:
        spooled, found, blobs = self._spooled.get(), self._numbers.get(), self._blobs.get()
        yield _gauge("database_up", "Whether the database answered.", found is not None)
        if found is not None:
            yield _gauge("log_size", "Entries in the log.", found.log_size)
            yield _gauge("pending_versions", "Versions being checked.", found.pending_versions)
            yield _gauge("dead_letters", "Events that webhooks did not take.", found.dead_letters)
            webhooks = _gauge("webhooks", "Webhooks, by status.", None, "status")
            for status, of_status in found.webhooks.items():
                webhooks.add_metric([status], of_status)
            yield webhooks
            yield _gauge("host_copies", "Hosts' own copies that are known.", found.copies)
        yield from self._making()
        if spooled is not None:
            yield _gauge("open_uploads", "Uploads begun, not ended.", spooled[0])
            yield _gauge("spooled_bytes", "Bytes of open uploads.", spooled[1])
        if blobs is not None:
            yield _gauge("blobs", "Blobs stored.", blobs.count)
            yield _gauge("blob_bytes", "Bytes of blobs stored.", blobs.size)

    def _making(self) -> Iterator[Metric]:
        made = self._workshop.made
        yield _gauge(
            "host_copies_in_hand", "Hosts' own copies in the making.", self._workshop.in_hand
        )
        for name, meaning, value in (
            ("host_copies_made", "Hosts' own copies made.", made.copies),
            ("host_copy_bytes", "Bytes of hosts' own copies made.", made.size),
            ("host_copy_seconds", "Seconds of making hosts' own copies.", made.seconds),
        ):
            yield CounterMetricFamily(f"plimsoll_registry_{name}", meaning, value)

    def describe(self) -> list[Metric]:
        """Empty: to be registered costs no query."""
        return []


def _gauge(name: str, meaning: str, value: float | None, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"plimsoll_registry_{name}", meaning, value, labels or None)
