"""`python -m bench --area optimise`: what learns of the watermark benchmark's networks, by recipes.

Students are a quarter of their teachers or less, with bars; the CNN is pruned in three ways that
learn too, to compare. All is done by the code that `plimsoll optimise` runs.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench import figures
from bench.figures import Bar, Of, Row, Sign
from bench.watermark import graphs, trained
from registry.core.recipes import planning
from registry.making.optimising import runs

AREA = "optimise"
_SMALLER, _POINTS = 4.0, 2.0
_STUDENTS = {
    "CNN": """\
layers:
            - reshape: [1, 8, 8]
            - conv: {channels: 16, norm: true}
            - conv: {channels: 32, norm: true}
            - maxPool: {size: 2}
            - conv: {channels: 32, norm: true}
            - flatten: {}
            - dense: {width: 32, activation: relu}
            - dense: {width: 10}
        learn: {epochs: 25, learningRate: 0.003}""",
    "transformer": """\
layers:
            - embedding: {words: 14000, width: 32, places: true}
            - encoder: {heads: 2, hidden: 64}
            - globalAverage: {}
            - dense: {width: 10}
        temperature: 2.0
        learn: {epochs: 8, batch: 64, learningRate: 0.002, weightDecay: 0.01}""",
}
_DISTIL = "steps:\n    - distil:\n        student:\n          {student}"
_PRUNE = """\
search:
    - oneOf:
        - prune: {method: channels, sparsity: 0.5, learn: {epochs: 5}, guidance: {alpha: 1.0}}
        - prune: {method: magnitude, sparsity: 0.8, learn: {epochs: 5}, schedule: {ramp: 0.6}}
        - prune: {method: l0, gates: channels, penalty: 1.0, learn: {epochs: 5}}
      optional: false"""
_RECIPE = """\
apiVersion: plimsoll.dev/v1
kind: OptimisationRecipe
metadata: {{name: {name}}}
spec:
  model: {{path: model.onnx}}
  data:
    golden: {{path: golden.npz}}
    training: {{path: training.npz}}
  {work}
  measure: {{requests: 2000}}
"""


def rows(folder: Path) -> Iterator[Row]:
    """Students with bars for size and accuracy, then what is pruned."""
    for kind, student in _STUDENTS.items():
        work = _DISTIL.format(student=student)
        yield from _told(kind, work, folder / f"{kind}-student", with_bars=True)
    yield from _told("CNN", _PRUNE, folder / "CNN-pruned", with_bars=False)


def _told(kind: str, work: str, folder: Path, *, with_bars: bool) -> Iterator[Row]:
    folder.mkdir()
    run = runs.run(_given(kind, work, folder), folder / "work", progress=_quiet).run
    if run.failures:
        raise RuntimeError(run.failures[0].reason)
    for one in run.results:
        before, after, name = run.before, one.measured, f"{kind}, {one.name}"
        yield Row(
            AREA, f"{name}: size", after.size_bytes / 1024, "KiB",
            f"before, {before.size_bytes / 1024:,.0f} KiB",
            before.size_bytes / after.size_bytes,
            figures.at_least(_SMALLER) if with_bars else None,
        )  # fmt: skip
        yield Row(
            AREA, f"{name}: latency of one sample, p50", after.latency.p50, "ms",
            "before, in turns in one process, one thread", after.latency.ratio,
        )  # fmt: skip
        yield Row(
            AREA, f"{name}: accuracy lost", 100 * after.paired.loss, "points",
            f"{100 * before.accuracy:.2f} % of {before.paired.samples:,} samples",
            bar=Bar(Of.VALUE, Sign.UNDER, _POINTS) if with_bars else None,
        )  # fmt: skip


def _given(kind: str, work: str, folder: Path) -> runs.Given:
    """The network before, what it was taught, and what it is asked, in `folder`."""
    network = trained.trained(kind)
    (folder / "model.onnx").write_bytes(graphs.onnx_of(kind, network.weights))
    task = network.task
    np.savez(folder / "golden.npz", inputs=task.asked, label=task.asked_labels)
    np.savez(folder / "training.npz", inputs=task.trained, label=task.trained_labels)
    text = _RECIPE.format(name=kind.lower(), work=work)
    recipe = planning.read(f"{kind.lower()}.yaml", text.encode())
    return runs.Given(recipe, folder, folder / "model.onnx", kind)


def _quiet(_what: str, _done: int, _total: int) -> None:
    """The rows tell enough."""
