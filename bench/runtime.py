"""What one runtime answers, against the floor under any server in this language."""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bench import addresses, load, memory, models, processes, publishing, registries, runtimes
from bench.figures import Row
from bench.load import Asked, Load

_AREA = "runtime"
_CLIENTS = (1, 8)
_REPETITIONS = 5
_SECONDS = 2.0
_STARTS = 3
_SETTLED_SECONDS = 1.0
_BODY = json.dumps({"instances": [models.INPUT]}).encode()


def rows(
    registry: registries.Running,
    folder: Path,
    *,
    onnx: Path,
    saved_model: Path,
) -> Iterator[Row]:
    """Starts of both formats, then the ONNX model under load."""
    versions = {
        form: _published(registry, model, version=number, form=form)
        for number, (form, model) in enumerate(
            (("onnx", onnx), ("saved_model", saved_model)), start=1
        )
    }
    for form, version in versions.items():
        yield from _started(registry, version, folder=folder, form=form)
    with runtimes.running(registry, versions["onnx"], folder=folder / "load") as runtime:
        yield from _predicted(runtime, folder)


def _published(
    registry: registries.Running, model: Path, *, version: int, form: str
) -> runtimes.Version:
    digest = publishing.publish(registry, model, model="predict", version=version, form=form)
    return runtimes.Version("predict", version, digest, form)


def _started(
    registry: registries.Running, version: runtimes.Version, *, folder: Path, form: str
) -> Iterator[Row]:
    """From the process's start to the version's being AVAILABLE: imports, pull, verification,
    load, warm-up. Grows with the size of the files; of a small model it is the imports.
    """
    cold: list[float] = []
    warm: list[float] = []
    idle: list[int] = []
    for number in range(_STARTS):
        place = folder / f"start-{form}-{number}"
        for times in (cold, warm):
            with runtimes.running(registry, version, folder=place) as runtime:
                times.append(runtime.seconds)
                time.sleep(_SETTLED_SECONDS)
                idle.append(memory.resident([runtime.process.pid]))
    for name, times in (("pulled", cold), ("from the cache", warm)):
        yield Row(_AREA, f"{form}: start to AVAILABLE, {name}", statistics.median(times), "s")
    yield Row(_AREA, f"{form}: resident when idle", statistics.median(idle) / memory.MIB, "MiB")


def _predicted(runtime: runtimes.Running, folder: Path) -> Iterator[Row]:
    """`:predict` of one row. Grows with the model and the number of rows, and, above a few
    clients, with the number of clients: one process has one event loop.
    """
    asked = Asked(runtime.port, "/v1/models/predict:predict", _BODY)
    answer = httpx2.post(
        f"http://127.0.0.1:{runtime.port}{asked.path}", content=_BODY, trust_env=False
    )
    with _floor(len(answer.raise_for_status().content), folder) as port:
        floor = Asked(port, asked.path, asked.body)
        for clients in _CLIENTS:
            ours, theirs = _in_turns(asked, floor, clients=clients)
            yield from _rows(ours, theirs, clients=clients)


def _in_turns(asked: Asked, floor: Asked, *, clients: int) -> tuple[list[Load], list[Load]]:
    for one in (asked, floor):
        load.ask(one, clients=clients, seconds=_SECONDS / 4)
    pairs = [
        tuple(load.ask(one, clients=clients, seconds=_SECONDS) for one in (asked, floor))
        for _ in range(_REPETITIONS)
    ]
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


def _rows(ours: list[Load], theirs: list[Load], *, clients: int) -> Iterator[Row]:
    who = f"ONNX :predict, {clients} client{'s' if clients > 1 else ''}"
    pairs = list(zip(ours, theirs, strict=True))
    floor = statistics.median(one.per_second for one in theirs)
    yield Row(
        _AREA,
        f"{who}: answers",
        statistics.median(one.per_second for one in ours),
        "1/s",
        f"bare asyncio, same client: {floor:,.0f} /s",
        ratio=statistics.median(our.per_second / their.per_second for our, their in pairs),
    )
    p50 = statistics.median(one.median for one in theirs)
    yield Row(
        _AREA,
        f"{who}: p50",
        statistics.median(one.median for one in ours) * 1e3,
        "ms",
        f"bare asyncio, same client: {p50 * 1e3:.3f} ms",
        ratio=statistics.median(our.median / their.median for our, their in pairs),
    )


@contextmanager
def _floor(size: int, folder: Path) -> Iterator[int]:
    port = addresses.free_port()
    command = [sys.executable, "-m", "bench.floor", str(port), str(size)]
    with processes.running(command, log=folder / "floor.log") as process:
        processes.await_true(
            lambda: addresses.listens(port), "the floor listening", timeout=30, process=process
        )
        yield port
