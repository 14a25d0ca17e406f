"""What the schedulers counted, as Prometheus reads it: under Triton's names and our own.

Read when asked for, so that counting costs a request nothing but additions. Triton's counters
have no `_total` behind their names, which this client library only allows to untyped ones.
"""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, UnknownMetricFamily
from prometheus_client.registry import Collector

from runtime.inference.cached import Cached
from runtime.inference.statistics import Snapshot
from runtime.table import Table

_LABELS = ("model", "version")
_LOWEST_BIT, _HIGHEST_BIT = 13, 36  # bounds from 8 µs to 69 s


class Executions(Collector):
    """Of every version that is loaded."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def collect(self) -> Iterator[UnknownMetricFamily | GaugeMetricFamily | HistogramMetricFamily]:
        pending = GaugeMetricFamily(
            "nv_inference_pending_request_count", "Requests waiting for an engine.", labels=_LABELS
        )
        counters = {name: UnknownMetricFamily(name, said, labels=_LABELS)
                    for name, said in _COUNTERS.items()}  # fmt: skip
        failures = UnknownMetricFamily(
            "nv_inference_request_failure",
            "Requests that were not answered, by reason.",
            labels=(*_LABELS, "reason"),
        )
        histograms = {name: HistogramMetricFamily(name, said, labels=_LABELS)
                      for name, said in _HISTOGRAMS.items()}  # fmt: skip
        caches = [GaugeMetricFamily(name, said, labels=_LABELS) for name, said in _CACHES.items()]
        for slot in self._table.slots():
            if slot.scheduler is None:
                continue
            labels = (slot.pin.model, str(slot.pin.version))
            seen = slot.scheduler.statistics.snapshot()
            pending.add_metric(labels, slot.scheduler.pending)
            for family, value in zip(counters.values(), _counted(seen), strict=True):
                family.add_metric(labels, value)
            if isinstance(slot.scheduler, Cached):
                for gauge, value in zip(caches, slot.scheduler.store.held, strict=True):
                    gauge.add_metric(labels, value)
            for reason, count in seen.failures.items():
                failures.add_metric((*labels, reason), count)
            _fill(histograms, labels, seen)
        yield pending
        yield from caches
        yield failures
        yield from counters.values()
        yield from histograms.values()


_COUNTERS = {
    "nv_inference_request_success": "Requests answered.",
    "nv_inference_count": "Rows inferred.",
    "nv_inference_exec_count": "Runs of the engine.",
    "nv_inference_request_duration_us": "Time of requests from arrival to answer.",
    "nv_inference_queue_duration_us": "Time of requests waiting.",
    "nv_inference_compute_input_duration_us": "Time of requests while batches were made.",
    "nv_inference_compute_infer_duration_us": "Time of requests in the engine.",
    "nv_inference_compute_output_duration_us": "Time of requests while batches were taken apart.",
    "nv_cache_num_hits_per_model": "Requests answered from the cache.",
    "nv_cache_num_misses_per_model": "Requests that the cache had no answer for.",
    "nv_cache_hit_duration_per_model": "Time of requests answered from the cache, in microseconds.",
    "nv_cache_miss_duration_per_model": "Time of looking in vain, in microseconds.",
}
_CACHES = {
    "plimsoll_cache_entries": "Answers kept.",
    "plimsoll_cache_bytes": "Memory of the answers kept.",
}
_HISTOGRAMS = {
    "plimsoll_queue_seconds": "Waiting for an engine, by request.",
    "plimsoll_compute_seconds": "In the engine, by run.",
    "plimsoll_batch_rows": "Rows of a run of the engine.",
}


def _counted(seen: Snapshot) -> tuple[float, ...]:
    """In the order of `_COUNTERS`."""
    spent = (
        seen.success, seen.queue, seen.compute_input, seen.compute_infer, seen.compute_output,
    )  # fmt: skip
    return (
        seen.success.count,
        seen.inference_count,
        seen.execution_count,
        *(one.ns / 1000 for one in spent),
        seen.cache_hit.count,
        seen.cache_miss.count,
        seen.cache_hit.ns / 1000,
        seen.cache_miss.ns / 1000,
    )


def _fill(
    families: dict[str, HistogramMetricFamily], labels: tuple[str, str], seen: Snapshot
) -> None:
    computed = sum(one.compute_infer.ns for one in seen.batches)
    bits = range(_LOWEST_BIT, _HIGHEST_BIT + 1)
    for name, counts, total in (
        ("plimsoll_queue_seconds", seen.queue_histogram, seen.queue.ns / 1e9),
        ("plimsoll_compute_seconds", seen.compute_histogram, computed / 1e9),
    ):
        buckets = [(repr(2**bit / 1e9), float(sum(counts[: bit + 1]))) for bit in bits]
        buckets.append(("+Inf", float(sum(counts))))
        families[name].add_metric(labels, buckets, total)
    rows = [(repr(float(2**bit - 1)), float(sum(seen.rows_histogram[: bit + 1])))
            for bit in range(1, 13)]  # fmt: skip
    rows.append(("+Inf", float(sum(seen.rows_histogram))))
    families["plimsoll_batch_rows"].add_metric(labels, rows, seen.inference_count)
