"""`python -m bench --area optimise`: what recipes make of the watermark benchmark's networks.

Each network goes through a recipe as a user's would, by the code that `plimsoll optimise` runs.
The first run trains the networks and keeps them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench import figures
from bench.figures import Bar, Of, Row, Sign
from bench.watermark import graphs, trained
from registry.core.recipes import planning
from registry.core.recipes.report import Run
from registry.core.recipes.results import Result
from registry.making.optimising import runs

_AREA = "optimise"
_SMALLER, _POINTS = 3.0, 1.0
_CALIBRATED = 400
# A static quantisation of tables unpacks them at each request: those of a transformer are left to
# the dynamic one.
_WAYS = {
    "CNN": "{mode: static}",
    "transformer": "{mode: dynamic}",
}
_RECIPE = """\
apiVersion: plimsoll.dev/v1
kind: OptimisationRecipe
metadata: {{name: {name}}}
spec:
  model: {{path: model.onnx}}
  data:
    golden: {{path: golden.npz}}
    calibration: {{path: calibration.npz}}
  search:
    - oneOf:
        - quantise: {way}
        - quantise: {{mode: int4, operators: [MatMul, Gather]}}
        - prune: {{method: magnitude, sparsity: 0.3}}
      optional: false
  measure: {{requests: 2000}}
"""


def rows(folder: Path) -> Iterator[Row]:
    """int8 with bars, the others to compare."""
    for kind, way in _WAYS.items():
        place = folder / kind
        place.mkdir()
        done = runs.run(_given(kind, way, place), place / "work", progress=_quiet)
        noise = done.run.before.latency.ratio
        yield Row(_AREA, f"{kind}: latency against itself", noise, "ratio", "the noise")
        for number, one in enumerate(done.run.results):
            yield from _told(kind, done.run, one, with_bars=number == 0)


def _told(kind: str, run: Run, one: Result, *, with_bars: bool) -> Iterator[Row]:
    before, after = run.before, one.measured
    asked, name = f"of {before.paired.samples:,} samples", f"{kind}, {one.name}"
    yield Row(
        _AREA, f"{name}: size", after.size_bytes / 1024, "KiB",
        f"float32, {before.size_bytes / 1024:,.0f} KiB",
        before.size_bytes / after.size_bytes,
        figures.at_least(_SMALLER) if with_bars else None,
    )  # fmt: skip
    yield Row(
        _AREA, f"{name}: latency of one sample, p50", after.latency.p50, "ms",
        "float32, in turns in one process, one thread", after.latency.ratio,
        figures.ratio_under(1.0) if with_bars else None,
    )  # fmt: skip
    yield Row(
        _AREA, f"{name}: accuracy lost", 100 * after.paired.loss, "points",
        f"{100 * before.accuracy:.2f} % {asked}",
        bar=Bar(Of.VALUE, Sign.UNDER, _POINTS) if with_bars else None,
    )  # fmt: skip


def _given(kind: str, way: str, folder: Path) -> runs.Given:
    network = trained.trained(kind)
    (folder / "model.onnx").write_bytes(graphs.onnx_of(kind, network.weights))
    task = network.task
    chosen = np.random.default_rng(1).permutation(len(task.trained))[:_CALIBRATED]
    np.savez(folder / "golden.npz", inputs=task.asked, label=task.asked_labels)
    np.savez(folder / "calibration.npz", inputs=task.trained[chosen])
    text = _RECIPE.format(name=kind.lower(), way=way)
    recipe = planning.read(f"{kind.lower()}.yaml", text.encode())
    return runs.Given(recipe, folder, folder / "model.onnx", kind)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """The rows tell enough."""
