"""One runtime against the floor under any server in this language, and against its peers."""

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench import (
    addresses,
    heavy,
    inferring,
    memory,
    networks,
    peers,
    publishing,
    registries,
    runtimes,
    swapping,
)
from bench.figures import Bar, Row, under
from bench.runtimes import Version

_AREA = "runtime"
_STARTS = 3
_SETTLED_SECONDS = 1.0


def rows(
    registry: registries.Running, folder: Path, *, saved_model: Path, scratch: Path
) -> Iterator[Row]:
    """Starts and idle memory, then the networks under load, then swaps."""
    perceptron = networks.perceptron(folder / "perceptron")
    net = published(registry, perceptron, model="net")
    saved = published(registry, saved_model, model="saved", form="saved_model")
    with inferring.others(perceptron / "model.onnx", folder, scratch=scratch) as others:
        yield from started(registry, net, folder=folder, beside=others.triton)
        yield from started(registry, saved, folder=folder)
        batched = replace(
            published(registry, perceptron, model=inferring.BATCHED), batching=inferring.ROWS
        )
        grpc = addresses.free_port()
        place = folder / "small"
        with runtimes.running(registry, net, batched, folder=place, grpc=grpc) as runtime:
            yield from inferring.rows(runtime.port, grpc, others)
    made = {name: network.write(folder / name) for name, network in heavy.NETWORKS.items()}
    slow = [published(registry, made[name], model=name) for name in made]
    with runtimes.running(registry, net, *slow, folder=folder / "heavy") as runtime:
        yield from heavy.rows(runtime.port, made)
    other = networks.perceptron(folder / "other", seed=2)
    second = published(registry, other, model="net", version=2)
    with runtimes.running(registry, net, folder=folder / "swapped") as runtime:
        yield from swapping.rows(runtime, net, second)


def published(
    registry: registries.Running, folder: Path, *, model: str, version: int = 1, form: str = "onnx"
) -> Version:
    """The folder's model as this version, in the registry."""
    digest = publishing.publish(registry, folder, model=model, version=version, form=form)
    return Version(model, version, digest, form)


def started(
    registry: registries.Running,
    version: Version,
    *,
    folder: Path,
    beside: peers.Running | None = None,
) -> Iterator[Row]:
    """From the process's start to the version's being AVAILABLE: imports, pull, verification,
    load, warm-up. Grows with the size of the files; of a small model it is the imports.
    """
    cold: list[float] = []
    warm: list[float] = []
    idle: list[float] = []
    worked: list[float] = []
    for number in range(_STARTS):
        place = folder / f"start-{version.form}-{number}"
        for times in (cold, warm):
            with runtimes.running(registry, version, folder=place) as runtime:
                times.append(runtime.seconds)
                worked.append(_worked(runtime.process.pid))
                time.sleep(_SETTLED_SECONDS)
                idle.append(_resident(runtime.process.pid))
    ready = None if beside is None else beside.seconds
    other = None if beside is None else _resident(beside.process.pid)
    for name, times in (("pulled", cold), ("from the cache", warm)):
        what = f"{version.form}: start to AVAILABLE, {name}"
        yield _beside(what, statistics.median(times), "s", ready, under(1))
    what = f"{version.form}: start to AVAILABLE, processor time of the least"
    yield Row(_AREA, what, min(worked), "s")
    resident = statistics.median(idle)
    yield _beside(f"{version.form}: resident when idle", resident, "MB", other, under(120))


def _worked(process: int) -> float:
    """Processor time so far, of all its threads, in seconds: `utime` and `stime` of proc(5)."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _resident(process: int) -> float:
    """Of all its processes, in MB."""
    return memory.resident(memory.tree(process)) / 1e6


def _beside(what: str, ours: float, unit: str, theirs: float | None, bar: Bar) -> Row:
    """The bars are the ONNX models', which Triton stands beside; the ratio is theirs to ours."""
    if theirs is None:
        return Row(_AREA, what, ours, unit)
    said = f"Triton: {theirs:.3g} {unit}"
    return Row(_AREA, what, ours, unit, said, ratio=theirs / ours, bar=bar)
