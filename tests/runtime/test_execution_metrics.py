"""What is counted is what happened, under the names that dashboards for Triton know."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from runtime import exposition
from runtime.config import Pin
from runtime.execution_metrics import Executions
from runtime.inference.asked import Times
from runtime.inference.statistics import Statistics
from runtime.metrics import Metrics
from runtime.table import Slot, Table
from runtime.tallies import Counts, Histograms
from runtime.tuning import Batching, Tuning
from tests.runtime.simulated import POISON, Rig, simulate


def test_a_batch_counts_its_rows_once_and_its_time_for_each_request() -> None:
    async def main() -> None:
        rig = Rig(Tuning(batching=Batching(8)))
        tasks = [rig.ask(1.0, 2.0), rig.ask(3.0)]
        await asyncio.wait(tasks)
        await asyncio.wait([rig.ask(POISON)])
        table, registry = Table(), CollectorRegistry()
        slot = Slot(Pin("m", 3, "sha256:" + "0" * 64, "onnx", active=True))
        slot.scheduler = rig.scheduler
        table.put(slot)
        registry.register(Executions(table))
        page = generate_latest(registry).decode()
        at = '{model="m",version="3"}'
        assert f"nv_inference_count{at} 3.0" in page
        assert f"nv_inference_exec_count{at} 1.0" in page
        assert f"nv_inference_request_success{at} 2.0" in page
        assert 'failure{model="m",reason="OTHER",version="3"} 1.0' in page
        assert 'plimsoll_batch_rows_bucket{le="1.0",model="m",version="3"} 0.0' in page
        assert 'plimsoll_batch_rows_bucket{le="3.0",model="m",version="3"} 1.0' in page
        assert f"nv_inference_pending_request_count{at} 0.0" in page

    simulate(main())


def test_tallies_read_like_the_client_librarys_own() -> None:
    theirs = CollectorRegistry()
    counts = Counts("c", "Said.", ("model",))
    sizes = Histograms("h", "Said.", ("model",), bounds=(0.5, 1.0))
    counter = Counter("c", "Said.", ("model",), registry=theirs)
    histogram = Histogram("h", "Said.", ("model",), buckets=(0.5, 1.0), registry=theirs)
    for value in (0.1, 0.5, 0.75, 7.0):
        counts.add("m")
        counter.labels("m").inc()
        sizes.add(value, "m")
        histogram.labels("m").observe(value)
    expected = [line for line in generate_latest(theirs).decode().splitlines()
                if "_created" not in line]  # fmt: skip
    page = exposition.page(exposition.Told(counts), exposition.Told(sizes))
    assert page.decode().splitlines() == expected


def test_what_is_counted_together_is_there_for_whoever_reads_it() -> None:
    pin = Pin("m", 3, "sha256:" + "0" * 64, "onnx", active=True)
    statistics, metrics = Statistics(), Metrics(Table())
    for number in range(1, 40):
        statistics.alone(2, Times(0, 0, 1000, 0))
        metrics.predicted(pin, status=200, code="OK", seconds=0.001)
        metrics.tensorflow.ran(pin, "Predict", Times(0, 0, 1000, 0))
        assert statistics.requests == number
        assert statistics.mean_run_ns == 1000
        seen = statistics.snapshot()
        assert (seen.inference_count, seen.execution_count) == (2 * number, number)
        assert seen.success.count == seen.compute_infer.count == number
        labels = 'model="m",status="200",version="3"'
        assert f"plimsoll_requests_total{{{labels}}} {number}.0" in metrics.own().decode()
        page = metrics.tensorflow.page().decode()
        assert f':tensorflow:serving:request_count{{model_name="m",status="OK"}} {number}' in page
        assert f'API="Predict",model_name="m",runtime="onnx"}} {number}' in page
