"""What a child that is shut in does: open a version, ask it with features taken away, report."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from registry import errors
from registry.core import explanation
from registry.core.canonical import Json
from registry.core.explaining import scores as scoring
from registry.core.explaining.terms import Array
from registry.core.explanation import Explanation
from registry.making.explaining import arranged, importance, pictures
from registry.making.explaining.asking import Asked
from registry.making.exporting import running, written
from registry.making.optimising import samples

# Of more samples some are drawn: the numbers hardly change, and the time does.
MOST_SAMPLES = 1024


def answer(request: dict[str, Any]) -> dict[str, Json]:
    """The explanation's predicate, of the version in `source` by the samples in `data`."""
    form, folder = written.found(Path(request["source"]))
    model = running.opened(form, folder)
    asked = Asked(model, scoring.output(model.signature.outputs, request["output"]).name)
    wanted = [(one.name, _dtype(one.dtype)) for one in model.signature.inputs]
    found = _some(samples.read(Path(request["data"]), wanted, request["label"]), request["seed"])
    return {"explanation": explanation.predicate(explained(asked, found, request))}


def explained(asked: Asked, found: samples.Samples, request: dict[str, Any]) -> Explanation:
    """Half of the time is for the features, what is left for pictures."""
    inputs, seed, start = found.inputs, int(request["seed"]), time.monotonic()
    half, end = (partial(_is_over, start + request["budget"] * share) for share in (0.5, 1.0))
    picture = tuple(request["picture"]) if request["picture"] else None
    at = arranged.arranged(inputs, picture, request["names"])
    is_over = half if at.grid else end
    if request["method"] == "kernel_shap":
        counted = importance.shapley(asked, at.layout, inputs, seed, is_over)
    else:
        counted = importance.permutation(asked, at.layout, inputs, found.labels, seed, is_over)
    drawn, is_drawn = None, True
    if at.grid is not None:
        classes = _classes(asked, found)
        drawn, is_drawn = pictures.pictures(asked, at.grid, inputs, classes, seed, end)
    return Explanation(
        request["method"], asked.output, counted.unit, seed, counted.samples,
        counted.finished and is_drawn, request["digest"], at.layout.count,
        explanation.ordered(at.names, counted.values.tolist(), counted.errors.tolist()), drawn,
    )  # fmt: skip


def _is_over(until: float) -> bool:
    return time.monotonic() >= until


def _classes(asked: Asked, found: samples.Samples) -> Array:
    """What is right for each sample; where nobody says, what the model answers."""
    if found.labels is not None:
        return found.labels
    return scoring.targets(asked.scores(found.inputs), None)


def _some(found: samples.Samples, seed: int) -> samples.Samples:
    if len(found) <= MOST_SAMPLES:
        return found
    rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:MOST_SAMPLES])
    labels = None if found.labels is None else found.labels[rows]
    return samples.Samples({name: one[rows] for name, one in found.inputs.items()}, labels)


def _dtype(name: str) -> str:
    """Raises `Unsupported` for what no array of numbers can be for."""
    try:
        found = np.dtype(name)
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "biuf":
        raise errors.Unsupported(
            f"the model takes {name}, and only numbers are explained here",
            fix="ask the version where it serves: docs/runtime/explaining.md",
        )
    return found.name
