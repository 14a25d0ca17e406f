"""What is counted is what happened, under the names that dashboards for Triton know."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from runtime import exposition
from runtime.config import Pin
from runtime.execution_metrics import Executions
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
