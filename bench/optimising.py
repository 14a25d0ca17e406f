"""`python -m bench --area optimise`: what recipes make of the watermark benchmark's networks.

Each network goes through a recipe as a user's would, by the code that `plimsoll optimise` runs.
The first run trains the networks and keeps them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench import figures, recipes
from bench.figures import Bar, Of, Row, Sign
from bench.recipes import Bars
from bench.watermark import trained
from registry.making.optimising import runs

_BARS = Bars(
    size=figures.at_least(3.0),
    latency=figures.ratio_under(1.0),
    lost=Bar(Of.VALUE, Sign.UNDER, 1.0),
)
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
        done = runs.run(_given(kind, way, place), place / "work", progress=recipes.quiet).run
        noise = done.before.latency.ratio
        yield Row(recipes.AREA, f"{kind}: latency against itself", noise, "ratio", "the noise")
        for number, one in enumerate(done.results):
            bars = _BARS if number == 0 else recipes.NO_BARS
            yield from recipes.compared(kind, done, one, was="float32", bars=bars)


def _given(kind: str, way: str, folder: Path) -> runs.Given:
    network = trained.trained(kind)
    rows = network.task.trained
    chosen = np.random.default_rng(1).permutation(len(rows))[:_CALIBRATED]
    text = _RECIPE.format(name=kind.lower(), way=way)
    return recipes.given(network, text, folder, calibration={"inputs": rows[chosen]})
