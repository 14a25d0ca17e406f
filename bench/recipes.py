"""A recipe's run as rows, and a network of the watermark benchmark for it to begin with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import Bar, Row
from bench.watermark import graphs, trained
from registry.core.recipes import planning
from registry.core.recipes.report import Run
from registry.core.recipes.results import Result
from registry.making.optimising import runs

AREA = "optimise"


@dataclass(frozen=True, slots=True)
class Bars:
    """What a result must reach, where anything is asked of it."""

    size: Bar | None = None
    latency: Bar | None = None
    lost: Bar | None = None


NO_BARS = Bars()


def compared(kind: str, run: Run, one: Result, *, was: str, bars: Bars) -> Iterator[Row]:
    """Size, latency and accuracy of a result beside the network before, which is called `was`."""
    before, after, name = run.before, one.measured, f"{kind}, {one.name}"
    yield Row(
        AREA, f"{name}: size", after.size_bytes / 1024, "KiB",
        f"{was}, {before.size_bytes / 1024:,.0f} KiB",
        before.size_bytes / after.size_bytes, bars.size,
    )  # fmt: skip
    yield Row(
        AREA, f"{name}: latency of one sample, p50", after.latency.p50, "ms",
        f"{was}, in turns in one process, one thread", after.latency.ratio, bars.latency,
    )  # fmt: skip
    yield Row(
        AREA, f"{name}: accuracy lost", 100 * after.paired.loss, "points",
        f"{100 * before.accuracy:.2f} % of {before.paired.samples:,} samples", bar=bars.lost,
    )  # fmt: skip


def given(
    network: trained.Trained, recipe: str, folder: Path, **samples: Mapping[str, Any]
) -> runs.Given:
    """The network and its golden data in `folder`, with further `samples` by file and array."""
    kind, task = network.kind, network.task
    (folder / "model.onnx").write_bytes(graphs.onnx_of(kind, network.weights))
    np.savez(folder / "golden.npz", inputs=task.asked, label=task.asked_labels)
    for name, arrays in samples.items():
        np.savez(folder / f"{name}.npz", **arrays)
    read = planning.read(f"{kind.lower()}.yaml", recipe.encode())
    return runs.Given(read, folder, folder / "model.onnx", kind)


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress: the rows tell enough."""
