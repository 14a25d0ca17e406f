"""What TensorFlow Serving's dashboards read: requests, run times, warm-ups, Examples, queues.

Names, labels and bounds are TensorFlow Serving's, but for the bounds of queues: those are counted
once for all pages, by powers of two.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from runtime.config import Pin
from runtime.inference.asked import Times
from runtime.table import Table
from runtime.tallies import Counts, Histograms

_PREFIX = ":tensorflow:serving:"
_COUNT = f"{_PREFIX}request_count"
_RUNS = f"{_PREFIX}batching_session:wrapped_run_count"
_MICROSECONDS = [10 * 1.8**power for power in range(33)]
_EXAMPLES = [2**power for power in range(15)]
_LOWEST_BIT, _HIGHEST_BIT = 13, 36  # bounds from 8 µs to 69 s


class TensorflowMetrics:
    """`table` says which versions gather batches."""

    def __init__(self, table: Table) -> None:
        self._registry = CollectorRegistry()
        self._count = Counts(
            _COUNT, "The number of requests.", ("model_name", "status"), registry=self._registry
        )
        self._latency = self._times(
            "request_latency",
            "Distribution of wall time in microseconds.",
            ("model_name", "API", "entrypoint"),
        )
        self._runtime = self._times(
            "runtime_latency",
            "Distribution of wall time (in microseconds) for the engine.",
            ("model_name", "API", "runtime"),
        )
        self._warmup = self._times(
            "model_warmup_latency",
            "Distribution of wall time (in microseconds) for warming up the model.",
            ("model_path", "status"),
        )
        self._examples = Histograms(
            f"{_PREFIX}request_example_counts",
            "The number of tensorflow.Examples per request.",
            ("model",),
            bounds=_EXAMPLES,
            registry=self._registry,
        )
        self._registry.register(_Queues(table))

    def answered(self, pin: Pin, code: str, api: str, entrypoint: str, *, seconds: float) -> None:
        """One request; `code` is TensorFlow's name for the outcome."""
        self._count.add(pin.model, code)
        self._latency.add(seconds * 1e6, pin.model, api, entrypoint)

    def ran(self, pin: Pin, api: str, times: Times) -> None:
        """The engine ran for one request."""
        self._runtime.add(times.compute / 1000, pin.model, api, pin.format)

    def examples(self, pin: Pin, count: int) -> None:
        """So many Examples came in one request."""
        self._examples.add(count, pin.model)

    def warmed_up(self, pin: Pin, *, seconds: float) -> None:
        """A version has run the requests of its warm-up files."""
        self._warmup.add(seconds * 1e6, f"/models/{pin.model}/{pin.version}", "OK")

    def page(self) -> bytes:
        """At /monitoring/prometheus/metrics; its counters have no `_total`, as there."""
        text = generate_latest(self._registry)
        for name in (_COUNT, _RUNS):
            text = text.replace(f"{name}_total".encode(), name.encode())
        return text

    def _times(self, name: str, said: str, labels: tuple[str, ...]) -> Histograms:
        return Histograms(
            _PREFIX + name, said, labels, bounds=_MICROSECONDS, registry=self._registry
        )


class _Queues(Collector):
    """Of every version that gathers batches: its queue is the pool of threads of its name."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def collect(self) -> Iterator[HistogramMetricFamily | CounterMetricFamily]:
        queuing = HistogramMetricFamily(
            f"{_PREFIX}batching_session:queuing_latency",
            "Distribution of wall time spent (in microseconds) in queuing",
            labels=("thread_pool_name",),
        )
        runs, bits = 0, range(_LOWEST_BIT, _HIGHEST_BIT + 1)
        for slot in self._table.slots():
            if slot.scheduler is None or slot.pin.tuning.batching is None:
                continue
            seen = slot.scheduler.statistics.snapshot()
            runs += seen.execution_count
            counts = seen.queue_histogram
            buckets = [(repr(2**bit / 1000), float(sum(counts[: bit + 1]))) for bit in bits]
            buckets.append(("+Inf", float(sum(counts))))
            name = f"{slot.pin.model}@{slot.pin.version}"
            queuing.add_metric((name,), buckets, seen.queue.ns / 1000)
        yield queuing
        yield CounterMetricFamily(
            _RUNS, "Total count of run calls on the wrapped session", value=runs
        )
