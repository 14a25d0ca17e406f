"""Disturbs golden samples, by noise and by the Square attack, and asks a candidate about them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciler.core import golden
from reconciler.core.kinds.template import AcceptanceSpec
from reconciler.core.kinds.trials import Noise, Robustness, Square
from reconciler.core.trials import arrays, finding, noise, square
from reconciler.core.trials.arrays import Array
from reconciler.core.trials.finding import Finding
from reconciler.core.trials.square import Image
from reconciler.trials.subject import Target
from registry.core.canonical import Json
from registry.errors import InvalidInput

_WITH_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class _Bench:
    """What every disturbance needs."""

    target: Target
    data: golden.Golden
    spec: AcceptanceSpec
    samples: arrays.Samples
    image: Image
    seed: int

    def draw(self) -> np.random.Generator:
        """The same for each disturbance, so that none changes with another."""
        return np.random.default_rng(self.seed)

    def answers(self, rows: Array, places: Sequence[int]) -> list[Json]:
        """To samples with `rows` as their input."""
        return self.target.answers(self.samples.changed(rows, places))


def disturbed(
    target: Target, data: golden.Golden, spec: AcceptanceSpec, asked: Robustness
) -> Finding:
    """How accurate the candidate stays; raises `errors.Unavailable` where it does not answer."""
    try:
        samples = arrays.samples(data.instances, asked)
        image = _image(asked, samples.rows.shape[1])
    except InvalidInput as error:
        return Finding("robustness", (f"cannot be tested: {error.detail}",), {})
    bench = _Bench(target, data, spec, samples, image, asked.seed)
    parts = [
        *(_noise(bench, each) for each in asked.noise),
        *(_square(bench, each) for each in asked.square),
    ]
    return finding.together("robustness", parts)


def _noise(bench: _Bench, asked: Noise) -> Finding:
    rows = noise.noisy(bench.samples.rows, asked, bench.draw())
    found = golden.score(bench.answers(rows, range(len(rows))), bench.data, bench.spec)
    return _against(noise.title(asked), found, asked.accuracy, {})


def _square(bench: _Bench, asked: Square) -> Finding:
    count = min(asked.samples, len(bench.samples.rows))
    labels = np.array(bench.data.labels[:count], dtype=np.int64)
    title = f"Square attack ({asked.norm}, epsilon {asked.epsilon:g}, {asked.queries} queries)"

    def scores(rows: Array, places: Sequence[int]) -> Array:
        found = arrays.scores(bench.answers(rows, places), bench.spec.output)
        if found is None or not 0 <= labels.min() <= labels.max() < found.shape[1]:
            raise InvalidInput("the attack needs a score for each class, and got none")
        return found

    rows = bench.samples.rows[:count]
    try:
        found = square.attack(
            rows, labels, scores, image=bench.image, spec=asked, draw=bench.draw()
        )
    except InvalidInput as error:
        return Finding("robustness", (f"{title}: {error.detail}",), {})
    spent: dict[str, Json] = {"meanQueries": round(float(found.queries.mean()), 1)}
    return _against(title, golden.Score(found.robust, count), asked.accuracy, spent)


def _against(title: str, found: golden.Score, least: float, more: dict[str, Json]) -> Finding:
    low, high = found.interval
    metrics: dict[str, Json] = {
        "accuracy": round(found.accuracy, 6),
        "accuracyInterval": [round(low, 6), round(high, 6)],
        "samples": found.samples,
        **more,
    }
    if found.accuracy >= least:
        return Finding("robustness", (), {title: metrics})
    reason = (
        f"accuracy {found.accuracy:.3f} ({found.right} of {found.samples} right) under "
        f"{title} is below the floor of {least:g}"
    )
    return Finding("robustness", (reason,), {title: metrics})


def _image(asked: Robustness, size: int) -> Image:
    if asked.image is None:
        return Image(size)
    if math.prod(asked.image) != size:
        raise InvalidInput(f"an image of {asked.image} has not the input's {size} values")
    if asked.channels == "first" and len(asked.image) == _WITH_CHANNELS:
        channels, height, width = asked.image
        return Image(height, width, channels, is_channels_first=True)
    height, width, channels = (*asked.image, 1)[:_WITH_CHANNELS]
    return Image(height, width, channels)
