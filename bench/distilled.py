"""`python -m bench --area optimise`: what learns of the watermark benchmark's networks, by recipes.

Students are a quarter of their teachers or less, with bars; the CNN is pruned in three ways that
learn too, to compare. All is done by the code that `plimsoll optimise` runs.
"""

from collections.abc import Iterator
from pathlib import Path

from bench import figures, recipes
from bench.figures import Bar, Of, Row, Sign
from bench.recipes import Bars
from bench.watermark import trained
from registry.making.optimising import runs

_BARS = Bars(size=figures.at_least(4.0), lost=Bar(Of.VALUE, Sign.UNDER, 2.0))
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
        yield from _told(kind, work, folder / f"{kind}-student", _BARS)
    yield from _told("CNN", _PRUNE, folder / "CNN-pruned", recipes.NO_BARS)


def _told(kind: str, work: str, folder: Path, bars: Bars) -> Iterator[Row]:
    folder.mkdir()
    run = runs.run(_given(kind, work, folder), folder / "work", progress=recipes.quiet).run
    if run.failures:
        raise RuntimeError(run.failures[0].reason)
    for one in run.results:
        yield from recipes.compared(kind, run, one, was="before", bars=bars)


def _given(kind: str, work: str, folder: Path) -> runs.Given:
    """The network before, what it was taught, and what it is asked, in `folder`."""
    network = trained.trained(kind)
    taught = {"inputs": network.task.trained, "label": network.task.trained_labels}
    text = _RECIPE.format(name=kind.lower(), work=work)
    return recipes.given(network, text, folder, training=taught)
