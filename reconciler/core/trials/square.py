"""The Square attack: a random search that sees a model's scores alone. Pure but for who is asked.

Andriushchenko, Croce, Flammarion and Hein 2020, "Square Attack: a query-efficient black-box
adversarial attack via random search" (ECCV), algorithms 1 to 3: squares of one sign for L-inf,
eta-shaped ones that take their mass from elsewhere for L2. What it adds never leaves the ball, and
a change is kept only if it lessens the margin. A row that is no image has segments for squares.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from reconciler.core.kinds.trials import Square
from reconciler.core.trials import eta
from reconciler.core.trials.arrays import Array

Labels: TypeAlias = npt.NDArray[np.int64]
Ask: TypeAlias = Callable[[Array, Sequence[int]], Array]
_Place: TypeAlias = tuple[slice, slice]
# Half of the size after so many of 10,000 queries, scaled to the budget: the paper's section 5.
_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_SCHEDULE = 10_000
_LEAST_L2 = 3
_REDRAWS = 20
_SAME = 1e-7


@dataclass(frozen=True, slots=True)
class Image:
    """How a flat row is laid out; a row that is no image has the width 1."""

    height: int
    width: int = 1
    channels: int = 1
    is_channels_first: bool = False

    @property
    def size(self) -> int:
        """Of one row."""
        return self.height * self.width * self.channels

    def folded(self, rows: Array) -> Array:
        """As [row, height, width, channel]."""
        if self.is_channels_first:
            shape = (len(rows), self.channels, self.height, self.width)
            return rows.reshape(shape).transpose(0, 2, 3, 1).copy()
        return rows.reshape(len(rows), self.height, self.width, self.channels).copy()

    def flat(self, images: Array) -> Array:
        """The inverse of `folded`."""
        turned = images.transpose(0, 3, 1, 2) if self.is_channels_first else images
        return turned.reshape(len(images), -1)


@dataclass(frozen=True, slots=True)
class Attacked:
    """`margins` are the true class's lead when the attack ended: at most 0 where it won.
    `queries` were asked for each sample, `rows` are the best that were found."""

    rows: Array
    margins: Array
    queries: Labels

    @property
    def robust(self) -> int:
        """How many samples kept their class."""
        return int((self.margins > 0).sum())


def attack(
    rows: Array,
    labels: Labels,
    ask: Ask,
    *,
    image: Image,
    spec: Square,
    draw: np.random.Generator,
) -> Attacked:
    """Search until every sample is lost or `spec.queries` are spent.

    `ask(rows, places)` gives the scores of samples. Who is misclassified from the start is lost
    before the search, and asked no more.
    """
    clean = image.folded(rows)
    best = clean.copy()
    margins = margin(ask(rows, [*range(len(rows))]), labels)
    queries = np.ones(len(rows), dtype=np.int64)
    for turn in range(spec.queries - 1):
        open_ = [int(place) for place in np.flatnonzero(margins > 0)]
        if not open_:
            break
        tried = np.stack([_tried(clean[at], best[at], turn, spec, draw) for at in open_])
        found = margin(ask(image.flat(tried), open_), labels[open_])
        queries[open_] += 1
        for place, image_tried, lead in zip(open_, tried, found, strict=True):
            # The first change is where the search starts from, whatever it does.
            if turn == 0 or lead < margins[place]:
                best[place], margins[place] = image_tried, lead
    return Attacked(image.flat(best), margins, queries)


def margin(scores: Array, labels: Labels) -> Array:
    """How far the true class leads the best other one."""
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, labels] = -np.inf
    return np.asarray(scores[rows, labels] - others.max(axis=1))


def share_of(turn: int, spec: Square) -> float:
    """Which share of an image is changed at `turn`."""
    scaled = int(turn / spec.queries * _SCHEDULE)
    halvings: int = sum(scaled > limit for limit in _HALVED_AFTER)
    return math.ldexp(spec.first_share, -halvings)


def _tried(clean: Array, best: Array, turn: int, spec: Square, draw: np.random.Generator) -> Array:
    share = share_of(turn, spec)
    match spec.norm, turn:
        case "Linf", 0:
            return _stripes(clean, spec.epsilon, draw)
        case "Linf", _:
            return _square(clean, best, _window(clean, share), spec.epsilon, draw)
        case "L2", 0:
            return _tiles(clean, spec.epsilon, draw)
        case "L2", _:
            return _moved(clean, best, _window(clean, share, least=3), spec.epsilon, draw)


def _window(image: Array, share: float, *, least: int = 1) -> tuple[int, int]:
    """Height and width of what is changed: square, but in a row of values."""
    height, width, _ = image.shape
    if width == 1:
        return min(max(round(share * height), least), height), 1
    side = max(round(math.sqrt(share * height * width)), least)
    side += least == _LEAST_L2 and side % 2 == 0
    return min(side, height), min(side, width)


def _placed(image: Array, window: tuple[int, int], draw: np.random.Generator) -> _Place:
    """Somewhere in the image."""
    top = int(draw.integers(0, image.shape[0] - window[0] + 1))
    left = int(draw.integers(0, image.shape[1] - window[1] + 1))
    return slice(top, top + window[0]), slice(left, left + window[1])


def _signs(shape: tuple[int, ...], draw: np.random.Generator) -> Array:
    return np.where(draw.random(shape) < 0.5, -1.0, 1.0)


def _stripes(clean: Array, epsilon: float, draw: np.random.Generator) -> Array:
    """Vertical ones; a row of values gets a sign for each."""
    height, width, channels = clean.shape
    shape = (height, 1, channels) if width == 1 else (1, width, channels)
    return np.clip(clean + epsilon * _signs(shape, draw), 0.0, 1.0)


def _square(
    clean: Array,
    best: Array,
    window: tuple[int, int],
    epsilon: float,
    draw: np.random.Generator,
) -> Array:
    """Algorithm 2; drawn again while it would change nothing, as at an overlap."""
    place = _placed(clean, window, draw)
    found = best.copy()
    for _ in range(_REDRAWS):
        signs = _signs((1, 1, clean.shape[2]), draw)
        found[place] = np.clip(clean[place] + epsilon * signs, 0.0, 1.0)
        if np.abs(found[place] - best[place]).max() > _SAME:
            break
    return found


def _tiles(clean: Array, epsilon: float, draw: np.random.Generator) -> Array:
    """Eta-shapes of a fifth of the image, side by side, together of norm epsilon."""
    height, width, channels = clean.shape
    tall = max(height // 5, min(_LEAST_L2, height))
    wide = min(tall, width)
    delta = np.zeros_like(clean)
    for top in range((height % tall) // 2, height - tall + 1, tall):
        for left in range((width % wide) // 2, width - wide + 1, wide):
            shape = eta.eta(tall, wide, draw)[:, :, None] * _signs((1, 1, channels), draw)
            delta[top : top + tall, left : left + wide] += shape
    return _within(clean, delta, epsilon)


def _moved(
    clean: Array,
    best: Array,
    window: tuple[int, int],
    epsilon: float,
    draw: np.random.Generator,
) -> Array:
    """Algorithm 3: one window gives its mass to another, which becomes more eta-shaped."""
    delta = best - clean
    to, away = _placed(clean, window, draw), _placed(clean, window, draw)
    channels = clean.shape[2]
    both = np.zeros_like(delta)
    both[to], both[away] = delta[to], delta[away]
    spare = max(epsilon**2 - float((delta**2).sum()), 0.0) / channels
    mass = np.sqrt(spare + (both**2).sum(axis=(0, 1)))
    shape = eta.eta(*window, draw)[:, :, None] * _signs((1, 1, channels), draw)
    shape += delta[to] / (1e-10 + np.sqrt((delta[to] ** 2).sum(axis=(0, 1))))
    norms = np.sqrt((shape**2).sum(axis=(0, 1)))
    delta[away] = 0.0
    delta[to] = shape / np.maximum(norms, 1e-10) * mass
    return _within(clean, delta, epsilon)


def _within(clean: Array, delta: Array, epsilon: float) -> Array:
    """`clean` plus `delta` stretched to the ball's surface, cut to the range of values."""
    norm = float(np.linalg.norm(delta))
    return np.clip(clean + delta * (epsilon / max(norm, 1e-12)), 0.0, 1.0)
