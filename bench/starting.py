"""How soon a registry is ready and what it holds in memory when idle, against MLflow."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench import figures, memory, mlflow, publishing, registries
from bench.figures import Row

_AREA = "registry"
_STARTS = 5
_SETTLED_S = 10.0


def rows(folder: Path, peer: mlflow.Running, model: Path) -> Iterator[Row]:
    """From the start of the process until it says that it is ready; then all its processes.

    A first start makes database, keys and token; a later one finds them. Neither grows with the
    catalogue. MLflow was started once, for the first time, with an empty database. `model` is
    the folder of an ONNX model: whoever has inspected one keeps a process with its parser.
    """
    reference = f"MLflow: {peer.ready_s:.1f} s"
    firsts = []
    for number in range(_STARTS):
        (folder / f"first-{number}").mkdir()
        installation = registries.installed(folder / f"first-{number}")
        with registries.started(installation) as registry:
            firsts.append(registry.ready_s)
    yield _row("first start to ready", statistics.median(firsts), reference, peer)
    laters = []
    for _ in range(_STARTS):
        with registries.started(installation) as registry:
            laters.append(registry.ready_s)
    yield _row("later start to ready", statistics.median(laters), reference, peer)
    with registries.started(installation) as registry:
        time.sleep(_SETTLED_S)
        yield _idle(registry, peer, "since its start", figures.under(150))
        publishing.publish(registry, model, model="idle", version=1, form="onnx")
        time.sleep(_SETTLED_S)
        yield _idle(registry, peer, "since a model was published")


def _row(name: str, took: float, reference: str, peer: mlflow.Running) -> Row:
    ratio = peer.ready_s / took
    return Row(_AREA, name, took, "s", reference, ratio=ratio, bar=figures.under(2))


def _idle(
    registry: registries.Running, peer: mlflow.Running, since: str, bar: figures.Bar | None = None
) -> Row:
    ours, theirs = memory.tree(registry.process.pid), memory.tree(peer.process.pid)
    resident, other = memory.resident(ours), memory.resident(theirs)
    once, other_once = memory.proportional(ours) / 1e6, memory.proportional(theirs) / 1e6
    return Row(
        _AREA,
        f"resident memory, idle {since} ({once:.0f} MB with shared pages once)",
        resident / 1e6,
        "MB",
        f"MLflow since its start, {len(theirs)} processes: {other / 1e6:.0f} MB ({other_once:.0f})",
        ratio=other / resident,
        bar=bar,
    )
