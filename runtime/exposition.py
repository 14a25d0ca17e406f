"""What was counted, as the text that Prometheus reads.

The client library takes as long to import as a small model to load, so this is imported when a
page is first asked for, or once nothing waits for a first model any more.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from runtime.execution_metrics import Executions
from runtime.table import Table
from runtime.tallies import Counts, Histograms, Tally

_PREFIX = ":tensorflow:serving:"
_RUNS = f"{_PREFIX}batching_session:wrapped_run_count"
_LOWEST_BIT, _HIGHEST_BIT = 13, 36  # bounds from 8 µs to 69 s


def own(table: Table, tallies: Iterable[Tally]) -> bytes:
    """The page at /metrics."""
    return page(_Versions(table), Executions(table), *map(Told, tallies))


def tensorflow(table: Table, tallies: Iterable[Tally]) -> bytes:
    """The page of TensorFlow Serving's names; its counters have no `_total`, as there."""
    told = list(tallies)
    text = page(*map(Told, told), _Queues(table))
    for name in (*(one.name for one in told if isinstance(one, Counts)), _RUNS):
        text = text.replace(f"{name}_total".encode(), name.encode())
    return text


def page(*collectors: Collector) -> bytes:
    """Whatever they tell, in their order."""
    registry = CollectorRegistry()
    for one in collectors:
        registry.register(one)
    return generate_latest(registry)


class Told(Collector):
    """One tally."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        match self._tally:
            case Counts() as counts:
                yield _counter(counts)
            case Histograms() as sizes:
                yield _histogram(sizes)


def _counter(counts: Counts) -> CounterMetricFamily:
    family = CounterMetricFamily(counts.name, counts.said, labels=counts.labels)
    for values, count in counts.found.items():
        family.add_metric(values, count)
    return family


def _histogram(sizes: Histograms) -> HistogramMetricFamily:
    family = HistogramMetricFamily(sizes.name, sizes.said, labels=sizes.labels)
    written = [*map(floatToGoString, sizes.bounds), "+Inf"]
    for values, counts in sizes.found.items():
        buckets: list[tuple[str, float]] = []
        total = 0
        for bound, count in zip(written, counts, strict=True):
            total += count
            buckets.append((bound, total))
        family.add_metric(values, buckets, sizes.sums[values])
    return family


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
