"""The null distribution against its theory, as SVG. Pure.

Left: how often a wrong key reaches which score, under the normal curve. Right: the share of
wrong keys beyond a score, on a logarithmic scale, under the bound that the verdict relies on.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

_WIDTH, _HEIGHT = 880, 360
_STYLE = """
svg { font: 12px system-ui, sans-serif; }
.ink { fill: #1f2933; } .quiet { fill: #52606d; } .axis { stroke: #9aa5b1; fill: none; }
.bar { fill: #9fb3c8; } .normal { stroke: #0b6bcb; fill: none; stroke-width: 2; }
.bound { stroke: #b44d12; fill: none; stroke-width: 2; } .seen { stroke: #1f2933; fill: none;
stroke-width: 2; } .limit { stroke: #b42318; stroke-dasharray: 4 4; } .page { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
.ink { fill: #e4e7eb; } .quiet { fill: #9aa5b1; } .axis { stroke: #616e7c; }
.bar { fill: #3e5368; } .normal { stroke: #62b0ff; } .bound { stroke: #f0996a; }
.seen { stroke: #e4e7eb; } .limit { stroke: #ff8a80; } .page { fill: #12181f; } }
"""


@dataclass(frozen=True, slots=True)
class Null:
    """Scores of wrong keys; the highest score that accuses nobody; and that of the right key."""

    scores: Any
    threshold: float
    right: float
    said: str


@dataclass(frozen=True, slots=True)
class _Panel:
    """A rectangle with its scales."""

    left: float
    width: float
    x: tuple[float, float]
    y: tuple[float, float]
    top: float = 62
    height: float = 240

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + self.width * across, self.top + self.height * (1 - up)

    def path(self, points: Iterable[tuple[float, float]], kind: str) -> str:
        inside = [(x, min(max(y, self.y[0]), self.y[1])) for x, y in points]
        said = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in inside))
        return f'<polyline class="{kind}" points="{said}"/>'

    def frame(self, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, str]]) -> str:
        bottom = self.top + self.height
        parts = [
            f'<path class="axis" d="M{self.left},{self.top}V{bottom}H{self.left + self.width}"/>'
        ]
        for x, said in across:
            parts.append(_text(self.at(x, 0)[0], bottom + 18, said, "quiet", "middle"))
        for y, said in up:
            place = self.at(self.x[0], y)[1]
            parts.append(_text(self.left - 6, place + 4, said, "quiet", "end"))
        return "".join(parts)


def drawn(null: Null) -> str:
    """The whole drawing."""
    count = len(null.scores)
    title = f"Scores of {count:,} wrong keys"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"',
        f'aria-label="{title}; none reaches the threshold {null.threshold:.2f}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>',
        _text(24, 26, title, "ink", "start", weight=600),
        _text(24, 44, null.said, "quiet", "start"),
        _density(null),
        _tail(null),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _density(null: Null) -> str:
    panel = _Panel(56, 350, (-5, 5), (0, 0.46))
    heights, edges = np.histogram(null.scores, bins=60, range=(-5, 5), density=True)
    bars = []
    for height, start, end in zip(heights, edges[:-1], edges[1:], strict=True):
        (left, top), (right, bottom) = panel.at(start, height), panel.at(end, 0)
        bars.append(
            f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" width="{right - left - 0.5:.1f}" '
            f'height="{bottom - top:.1f}"/>'
        )
    xs = np.linspace(-5, 5, 121)
    curve = panel.path([(x, math.exp(-x * x / 2) / math.sqrt(2 * math.pi)) for x in xs], "normal")
    legend = _text(panel.left + 8, panel.top + 12, "bars: seen", "quiet", "start") + _text(
        panel.left + 8, panel.top + 28, "curve: standard normal", "quiet", "start"
    )
    across = [(x, f"{x:g}") for x in (-4, -2, 0, 2, 4)]
    up = [(0, "0"), (0.2, "0.2"), (0.4, "0.4")]
    name = _text(panel.left + panel.width / 2, 342, "score z", "quiet", "middle")
    return panel.frame(across, up) + "".join(bars) + curve + legend + name


def _tail(null: Null) -> str:
    panel = _Panel(482, 374, (0, 8), (-12, 0))
    xs = np.linspace(0, 8, 161)
    beyond = np.sort(null.scores[null.scores > 0])
    shares = 1 - np.searchsorted(np.sort(null.scores), beyond, side="left") / len(null.scores)
    spread, last = np.linspace(0, len(beyond) - 1, 300), np.arange(len(beyond))[-40:]
    kept = np.unique(np.concatenate([spread.astype(int), last]))
    seen = [(float(beyond[n]), math.log10(shares[n])) for n in kept]
    normal = [(x, math.log10(math.erfc(x / math.sqrt(2)) / 2)) for x in xs]
    bound = [(x, -x * x / 2 / math.log(10)) for x in xs]
    top, bottom = panel.at(null.threshold, 0), panel.at(null.threshold, -12)
    limit = (
        f'<line class="limit" x1="{top[0]:.1f}" x2="{bottom[0]:.1f}" '
        f'y1="{top[1]:.1f}" y2="{bottom[1]:.1f}"/>'
    )
    said = [
        _text(top[0] - 6, panel.top + 12, f"names from {null.threshold:.2f}", "ink", "end"),
        _text(top[0] + 6, panel.top + 12, f"key: {null.right:.1f} →", "ink", "start"),
        _text(*panel.at(0.35, -7.2), "exact bound", "quiet", "start"),
        _text(*panel.at(0.35, -8.2), "normal tail", "quiet", "start"),
        _text(*panel.at(0.35, -9.2), "seen", "quiet", "start"),
    ]
    for row, kind in ((-7.0, "bound"), (-8.0, "normal"), (-9.0, "seen")):
        said.append(panel.path([(2.3, row), (3.0, row)], kind))
    across = [(x, f"{x:g}") for x in (0, 2, 4, 6, 8)]
    up = [(-y, f"1e-{y}" if y else "1") for y in (0, 3, 6, 9, 12)]
    name = _text(panel.left + panel.width / 2, 342, "share of wrong keys ≥ z", "quiet", "middle")
    lines = panel.path(bound, "bound") + panel.path(normal, "normal") + panel.path(seen, "seen")
    return panel.frame(across, up) + lines + limit + "".join(said) + name


def _text(x: float, y: float, said: str, kind: str, anchor: str, *, weight: int = 400) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(said)}</text>'
    )
