"""Prometheus metrics: under TensorFlow Serving's names for its dashboards, and under our own."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from runtime.config import Pin
from runtime.execution_metrics import Executions
from runtime.table import Table
from runtime.tallies import Counts, Histograms
from runtime.tensorflow_metrics import TensorflowMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = [0.0005 * 2**power for power in range(16)]


class Metrics:
    """All that is counted. Label values are models and versions of the table, never raw paths."""

    def __init__(self, table: Table) -> None:
        self.tensorflow = TensorflowMetrics(table)
        self._own = _read_when_asked_for(table)
        self._requests = Counts(
            "plimsoll_requests",
            "Inference requests answered, in any protocol.",
            ("model", "version", "status"),
            registry=self._own,
        )
        self._seconds = Histograms(
            "plimsoll_request_seconds",
            "From the request's head to its answer.",
            ("model", "version"),
            bounds=_BUCKETS,
            registry=self._own,
        )
        self._labels = Counts(
            "plimsoll_labels",
            "Labels that were posted, by what came of them; no version where none knows the id.",
            ("model", "version", "result"),
            registry=self._own,
        )
        self._verified = Counter(
            "plimsoll_verifications",
            "Versions whose proof and files were checked, by result.",
            ("model", "result"),
            registry=self._own,
        )
        self._refused = Counter(
            "plimsoll_refusals",
            "Versions that were not loaded, by the check that failed and its error.",
            ("model", "check", "code"),
            registry=self._own,
        )

    def predicted(
        self,
        pin: Pin,
        *,
        status: int,
        code: str,
        seconds: float,
        api: str = "Predict",
        entrypoint: str = "REST",
    ) -> None:
        """One request of TensorFlow Serving's dialect was answered; `code` is TensorFlow's name
        for the outcome."""
        self.tensorflow.answered(pin, code, api, entrypoint, seconds=seconds)
        self.answered(pin, status=status, seconds=seconds)

    def answered(self, pin: Pin, *, status: int, seconds: float) -> None:
        """One request for an inference was answered, in whatever protocol."""
        version = str(pin.version)
        self._requests.add(pin.model, version, str(status))
        self._seconds.add(seconds, pin.model, version)

    def labelled(self, model: str, version: str, result: str) -> None:
        """A label for an answer of this version came."""
        self._labels.add(model, version, result)

    def verified(self, model: str, result: str) -> None:
        self._verified.labels(model, result).inc()

    def refused(self, model: str, check: str, code: str) -> None:
        self._refused.labels(model, check, code).inc()

    def own(self) -> bytes:
        """The page at /metrics."""
        return generate_latest(self._own)


def _read_when_asked_for(table: Table) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Versions(table))
    registry.register(Executions(table))
    return registry


class _Versions(Collector):
    """State of each version, read when asked for: it cannot lag behind the table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state = GaugeMetricFamily(
            "plimsoll_version_state",
            "1 for the state that a version is in.",
            labels=("model", "version", "digest", "state", "active"),
        )
        in_flight = GaugeMetricFamily(
            "plimsoll_requests_in_flight",
            "Requests inside the engine or waiting for it.",
            labels=("model", "version"),
        )
        for slot in self._table.slots():
            pin, active = slot.pin, str(self._table.is_active(slot)).lower()
            version = str(pin.version)
            state.add_metric((pin.model, version, pin.digest, slot.state, active), 1)
            in_flight.add_metric((pin.model, version), slot.in_flight)
        yield state
        yield in_flight
