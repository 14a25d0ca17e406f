"""Small drawings as numbers for SVG: shares of a whole, weights over time, intervals around zero.

Whoever cannot see them reads the same numbers beside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.core import standing
from registry.pages import views

_WHOLE = 1000.0
_GAP = 6.0
_LEAST = 10.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar that is 1000 wide."""

    x: float
    width: float
    tone: str
    word: str
    count: int


def shares(words: Mapping[str, int]) -> tuple[Segment, ...]:
    """A segment for each word, the worst first; what is there is never too thin to be seen."""
    some = sorted(
        ((word, count) for word, count in words.items() if count),
        key=lambda one: (standing.severity(one[0]), one[0]),
    )
    if not some:
        return ()
    room = _WHOLE - _GAP * (len(some) - 1) - _LEAST * len(some)
    total, x = sum(count for _, count in some), 0.0
    found = []
    for word, count in some:
        width = _LEAST + room * count / total
        found.append(Segment(round(x, 1), round(width, 1), views.tone(word), word, count))
        x += width + _GAP
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Steps:
    """Weights as a staircase of 720 by 120, in order; `dots` are analyses: x, y, tone and text."""

    line: str
    area: str
    labels: tuple[tuple[float, float, str], ...]
    dots: tuple[tuple[float, float, str, str], ...]
    width: int = 720
    height: int = 120


@dataclass(frozen=True, slots=True)
class Measured:
    """Something that happened in a rollout: a `weight` in per cent, or else a check."""

    weight: float | None
    tone: str
    text: str


_LEFT, _TOP, _BOTTOM = 40.0, 12.0, 100.0


def steps(happened: Sequence[Measured]) -> Steps | None:
    """None where nothing ever got traffic."""
    if not any(one.weight for one in happened):
        return None
    each = (720.0 - _LEFT - 20) / len(happened)
    x, y = _LEFT, _BOTTOM
    path, labels, dots = [f"M{x:.1f} {y:.1f}"], [], []
    for one in happened:
        if one.weight is not None:
            y = _BOTTOM - min(max(one.weight, 0), 100) / 100 * (_BOTTOM - _TOP)
            path.append(f"V{y:.1f}")
            labels.append((round(x + 4, 1), round(y - 5, 1), f"{one.weight:g}%"))
        else:
            dots.append((round(x + each / 2, 1), round(y, 1), one.tone, one.text))
        x += each
        path.append(f"H{x:.1f}")
    line = "".join(path)
    return Steps(line, f"{line}V{_BOTTOM}H{_LEFT}Z", tuple(labels), tuple(dots))


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference with its bounds, on a line of 240 whose middle is no difference."""

    name: str
    left: float
    right: float
    middle: float
    tone: str


_HALF, _EDGE = 120.0, 8.0


def interval(name: str, low: float, high: float, *, is_higher_better: bool) -> Interval:
    """Good where all of it is better than none, bad where all of it is worse."""
    reach = max(abs(low), abs(high)) or 1.0
    scale = (_HALF - _EDGE) / reach
    better, worse = (low > 0, high < 0) if is_higher_better else (high < 0, low > 0)
    return Interval(
        name,
        round(_HALF + low * scale, 1),
        round(_HALF + high * scale, 1),
        round(_HALF + (low + high) / 2 * scale, 1),
        "good" if better else "bad" if worse else "quiet",
    )


def numbers(values: Iterable[object]) -> list[float]:
    """Those of `values` that are numbers."""
    return [float(one) for one in values if isinstance(one, int | float)]
