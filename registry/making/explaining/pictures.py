"""Which parts of a picture speak for a class: occlusion, averaged over samples of that class."""

from collections.abc import Mapping

import numpy as np

from registry.core.explaining import features
from registry.core.explaining.occlusion import Occlusion
from registry.core.explaining.terms import Array
from registry.core.explanation import MOST_CLASSES, Picture, Pictures, short
from registry.making.explaining.arranged import Grid
from registry.making.explaining.asking import Asked, IsOver, Subject, drive

_EACH = 16


def pictures(
    asked: Asked,
    grid: Grid,
    inputs: Mapping[str, Array],
    classes: Array,
    seed: int,
    is_over: IsOver,
) -> tuple[Pictures | None, bool]:
    """Those of the commonest classes, and whether the time was enough for all.

    `classes` has the class of each sample. A cell's effect is how far the score of the class falls
    where the mean picture of all samples stands in its place; classes take turns, so that a time
    that is over leaves all of them a little.
    """
    known, counts = np.unique(classes, return_counts=True)
    shown = np.sort(known[np.argsort(-counts, kind="stable")][:MOST_CLASSES])
    random = np.random.default_rng(seed)
    chosen = {int(one): random.permutation(np.flatnonzero(classes == one)) for one in shown}
    mean = {name: _mean(one) for name, one in inputs.items()}
    subject = Subject(asked, _layout(inputs, grid), inputs, mean)
    effects: dict[int, list[Array]] = {one: [] for one in chosen}
    is_whole = True
    for turn in range(_EACH):
        for label, samples in chosen.items():
            if turn >= len(samples):
                continue
            if is_over():
                is_whole = False
                break
            found = _effect(subject, int(samples[turn]), label, grid.count, is_over)
            is_whole = is_whole and found is not None
            if found is not None:
                effects[label].append(found)
    made = _drawn(grid, inputs[grid.tensor], classes, effects)
    return (Pictures(grid.tensor, grid.rows, grid.columns, made) if made else None), is_whole


def _effect(subject: Subject, sample: int, label: int, cells: int, is_over: IsOver) -> Array | None:
    """None where the time was over before every cell was taken away once."""
    own = subject.asked.scores({name: one[sample : sample + 1] for name, one in
                                subject.instances.items()})  # fmt: skip
    column = label if label < own.shape[1] else 0
    method = Occlusion(subject.layout.count)
    ask, most = subject.of(sample, column)
    drive(method, ask, is_over, most)
    found = method.found()
    if found is None or not found.is_finished:
        return None
    return np.asarray(found.values[:cells])


def _layout(inputs: Mapping[str, Array], grid: Grid) -> features.Layout:
    """The cells, and behind them all other inputs as one feature."""
    plain = features.each(inputs)
    mask = np.full(plain.count, grid.count)
    mask[plain.numbers[grid.tensor].reshape(-1)] = grid.numbers
    return features.joined(inputs, mask)


def _mean(rows: Array) -> Array:
    """One row; of whole numbers and truths the first, since a mean of them is none."""
    if rows.dtype.kind == "f":
        return np.asarray(rows.mean(axis=0, keepdims=True), rows.dtype)
    return np.asarray(np.rint(rows.mean(axis=0, keepdims=True)), rows.dtype)


def _drawn(
    grid: Grid, pixels: Array, classes: Array, effects: Mapping[int, list[Array]]
) -> tuple[Picture, ...]:
    bright = grid.mean(pixels)
    low, high = float(bright.min()), float(bright.max())
    spread = high - low or 1.0
    return tuple(
        Picture(
            label, len(found),
            tuple(short(value) for value in np.mean(found, axis=0)),
            tuple(min(max(short((value - low) / spread), 0.0), 1.0)
                  for value in bright[classes == label].mean(axis=0)),
        )
        for label, found in effects.items()
        if found
    )  # fmt: skip
