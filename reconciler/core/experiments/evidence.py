"""By how much do two variants differ? An interval that may be looked at after every sample. Pure.

Observations lie between 0 and 1 (a proportion, or a mean that was scaled to it), or are
sub-Gaussian with a known deviation. What came between two looks is weighed in blocks that hold some
of both variants. For each difference d there is, block by block, an E-variable: a number that is 1
at most on average if the true difference is d, whatever the rates are and however they drift
together (docs/adr/0066-experiments.md has the proof). So the product of all ever reaches 1/alpha
with a chance of alpha at most (Ville 1939), and the differences for which it never did are a
confidence sequence: it holds the truth at all looks together with a chance of 1 - alpha.

It takes observations to be independent of each other, given the past.
"""

import functools
import math
from dataclasses import dataclass, replace

# A block is closed once both variants have so many: smaller ones weigh less than they could.
BLOCK = 10.0
# A bet times the largest deviation that it is about stays below 1.
_BOLDEST = 0.9
_LARGEST_DOUBLE = 0.4
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Sums:
    """So many observations, their sum and the sum of their squares."""

    count: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(
            self.count + other.count, self.total + other.total, self.squares + other.squares
        )

    @property
    def mean(self) -> float | None:
        """None of nothing."""
        return self.total / self.count if self.count else None


@dataclass(frozen=True, slots=True)
class Design:
    """A test at level `alpha`; sharpest for differences of `smallest` and some more.

    Without a `deviation` observations lie between 0 and 1.
    """

    alpha: float
    smallest: float
    deviation: float | None = None

    @property
    def threshold(self) -> float:
        """The logarithm of what evidence against a difference must reach."""
        return -math.log(self.alpha)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was seen of both variants, `open_` of it in a block that is not closed yet.

    `gain` is the sum of the blocks' differences by their weights, `weight` of the weights;
    `spread` and `tilt` are the parts of the squared deviations that stand alone and that go with
    the difference.
    """

    control: Sums = Sums()
    treatment: Sums = Sums()
    open_control: Sums = Sums()
    open_treatment: Sums = Sums()
    gain: float = 0.0
    weight: float = 0.0
    spread: float = 0.0
    tilt: float = 0.0

    @property
    def difference(self) -> float | None:
        """The treatment's mean less the control's, of what was weighed; None before any was."""
        return self.gain / self.weight if self.weight else None


def after(design: Design, seen: Evidence, control: Sums, treatment: Sums) -> Evidence:
    """With what came since."""
    ours, theirs = seen.open_treatment + treatment, seen.open_control + control
    whole = replace(seen, control=seen.control + control, treatment=seen.treatment + treatment)
    if min(ours.count, theirs.count) < BLOCK:
        return replace(whole, open_control=theirs, open_treatment=ours)
    weight = ours.count * theirs.count / (ours.count + theirs.count)
    gap = ours.total / ours.count - theirs.total / theirs.count
    closed = replace(
        whole,
        open_control=Sums(),
        open_treatment=Sums(),
        gain=seen.gain + weight * gap,
        weight=seen.weight + weight,
    )
    if design.deviation is not None:
        return closed
    middle = _middle(seen)
    spread = weight**2 * (_around(ours, middle) + _around(theirs, middle))
    # Around middle + d/2 and middle - d/2 instead of the middle, this is what goes with d.
    tilt = weight**2 * (_beyond(theirs, middle) - _beyond(ours, middle))
    return replace(closed, spread=seen.spread + spread, tilt=seen.tilt + tilt)


@functools.lru_cache(maxsize=1024)
def interval(design: Design, seen: Evidence) -> tuple[float, float] | None:
    """The differences that nothing seen so far speaks against; None before anything does.

    Asked in every round, and another one only after a look.
    """
    found = seen.difference
    if found is None:
        return None
    return _edge(design, seen, found, -1.0), _edge(design, seen, found, 1.0)


def against(design: Design, seen: Evidence, difference: float) -> float:
    """The logarithm of the evidence that the true difference is not `difference`."""
    gain = seen.gain - difference * seen.weight
    if design.deviation is not None:
        spread, most = design.deviation**2 * seen.weight, 0.0
    else:
        spread = seen.spread + difference * seen.tilt + difference**2 / 4 * seen.weight
        most = 1 + abs(difference) / 2
    terms = [
        side * bet * gain - cost * spread
        for bet, cost in _bets(design.smallest, design.deviation, most)
        for side in (-1, 1)
    ]
    top = max(terms)
    return top + math.log(sum(math.exp(one - top) for one in terms) / len(terms))


@functools.lru_cache(maxsize=4096)
def _bets(smallest: float, deviation: float | None, most: float) -> tuple[tuple[float, float], ...]:
    """Each with what it costs for each squared deviation, none of which is larger than `most`.

    The best bet on the smallest difference, were the spread as large as it can be, and its
    doubles: for larger differences, and for smaller spreads.
    """
    if deviation is not None:
        best = smallest / deviation**2
        return tuple((bet, bet**2 / 2) for bet in (best * 2**step for step in range(-1, 5)))
    bets, bet = list[float](), 4 * smallest
    while bet <= _LARGEST_DOUBLE:  # as many for each difference: evidence has no jumps
        bets.append(bet)
        bet *= 2
    bets.append(_BOLDEST / most)
    return tuple((one, (-math.log1p(-most * one) - most * one) / most**2) for one in bets)


def _middle(seen: Evidence) -> float:
    """Between the two means so far, each drawn a little towards one half."""
    found = [
        (one.total - shut.total + 0.5) / (one.count - shut.count + 1)
        for one, shut in (
            (seen.control, seen.open_control),
            (seen.treatment, seen.open_treatment),
        )
    ]
    return min(1.0, max(0.0, sum(found) / 2))


def _around(block: Sums, middle: float) -> float:
    """The squared deviations from `middle`, over the square of their number."""
    squares = block.squares - 2 * middle * block.total + block.count * middle**2
    return max(0.0, squares) / block.count**2


def _beyond(block: Sums, middle: float) -> float:
    """How far its mean is above `middle`, over their number."""
    return (block.total / block.count - middle) / block.count


def _edge(design: Design, seen: Evidence, found: float, side: float) -> float:
    """The last difference on this side of `found` that is not excluded, within a hair's breadth
    on the safe side."""
    inside = found
    outside = side if design.deviation is None else found + side * design.deviation
    for _ in range(_HALVINGS):
        if against(design, seen, outside) >= design.threshold:
            break
        if design.deviation is None:
            return outside
        outside = found + 2 * (outside - found)
    for _ in range(_HALVINGS):
        half = (inside + outside) / 2
        if against(design, seen, half) >= design.threshold:
            outside = half
        else:
            inside = half
    return outside
