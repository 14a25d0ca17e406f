"""Candidates as an SVG: accuracy against size, the Pareto front as a line, speed as a number.

It stands alone: its style, light and dark, is within, and it asks for nothing. What is on the
front, holds or is the best differs by shape and words too, never by colour alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from registry.core.recipes.report import Run
from registry.core.recipes.results import Measured, Result

_WIDTH, _HEIGHT = 820, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 28, 74, 64
_STYLE = """
svg{--ink:#14202e;--muted:#56657a;--line:#dde4ec;--paper:#fff;--dot:#0a5f7d;--no:#ae2430;
font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e4ebf2;--muted:#9dadbf;--line:#2b3d53;
--paper:#121e2d;--dot:#6fcde2;--no:#ff949b}}
text{fill:var(--ink)}.m{fill:var(--muted);font-size:12px}.e{text-anchor:end}.c{text-anchor:middle}
.h{font-weight:650}.g{stroke:var(--line)}.ground{fill:var(--paper)}
.f{fill:none;stroke:var(--dot);stroke-width:1.6}.d{fill:var(--dot)}
.n{fill:none;stroke:var(--no);stroke-width:1.8}.b{fill:none;stroke:var(--ink);stroke-width:1.8}
"""


@dataclass(frozen=True, slots=True)
class _Plane:
    """Size to the right, logarithmic; accuracy upwards."""

    low_size: float
    high_size: float
    low: float
    high: float

    def x(self, size: float) -> float:
        span = math.log(self.high_size / self.low_size)
        share = math.log(size / self.low_size) / span
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, accuracy: float) -> float:
        share = (accuracy - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def draw(run: Run) -> str:
    """The whole SVG document; the same run gives the same bytes."""
    every = [run.before, *(one.measured for one in run.results)]
    plane = _plane(every)
    size = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
    name = escape(run.recipe.metadata.name)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="t d">',
            f'<title id="t">{name}: accuracy against size</title>',
            f'<desc id="d">{escape(" ".join(_said(run)))}</desc>',
            f"<style>{_STYLE}</style>",
            f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}" rx="10"/>',
            f'<text class="h" x="20" y="28" font-size="15">{name}: accuracy against size</text>',
            *_legend(),
            *_axes(plane),
            *_front(run.results, plane),
            *_before(run.before, plane),
            *_points(run, plane),
            "</svg>",
            "",
        ]
    )


def _plane(every: Sequence[Measured]) -> _Plane:
    sizes = [one.size_bytes for one in every]
    accuracies = [one.accuracy for one in every]
    low, high = min(accuracies), max(accuracies)
    margin = max(0.15 * (high - low), 0.005)
    return _Plane(min(sizes) / 1.25, max(sizes) * 1.25, low - margin, high + margin)


def _said(run: Run) -> Iterator[str]:
    """All that is drawn, for who cannot see it."""
    for name, one, words in (
        ("Before", run.before, ""),
        *((one.name, one.measured, _words(one, run.best)) for one in run.results),
    ):
        yield f"{name}: {100 * one.accuracy:.2f} % right, {one.size_bytes} bytes{words}."


def _words(one: Result, best: Result | None) -> str:
    words = [
        *(["best"] if one is best else []),
        *(["on the front"] if one.on_front else []),
        *(["breaks a constraint"] if one.broken else []),
    ]
    return f", {', '.join(words)}" if words else ""


def _axes(plane: _Plane) -> Iterator[str]:
    bottom = _HEIGHT - _BOTTOM
    for step in range(5):
        accuracy = plane.low + (plane.high - plane.low) * step / 4
        y = plane.y(accuracy)
        yield f'<line class="g" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text class="m e" x="{_LEFT - 8}" y="{y + 4}">{100 * accuracy:.1f} %</text>'
        size = plane.low_size * (plane.high_size / plane.low_size) ** (step / 4)
        yield f'<text class="m c" x="{plane.x(size)}" y="{bottom + 20}">{_kib(size)}</text>'
    yield f'<text class="m c" x="{(_LEFT + _WIDTH) / 2}" y="{bottom + 42}">size of the file</text>'


def _front(found: Sequence[Result], plane: _Plane) -> Iterator[str]:
    front = sorted((one.measured for one in found if one.on_front), key=lambda one: one.size_bytes)
    if len(front) > 1:
        points = " ".join(f"{plane.x(one.size_bytes)},{plane.y(one.accuracy)}" for one in front)
        yield f'<polyline class="f" points="{points}"/>'


def _before(of: Measured, plane: _Plane) -> Iterator[str]:
    x, y = plane.x(of.size_bytes), plane.y(of.accuracy)
    yield f'<rect class="b" x="{x - 5}" y="{y - 5}" width="10" height="10"/>'
    yield f'<text class="m e" x="{x - 10}" y="{y - 8}">before</text>'


def _points(run: Run, plane: _Plane) -> Iterator[str]:
    best, middle = run.best, (_LEFT + _WIDTH - _RIGHT) / 2
    for number, one in enumerate(run.results, start=1):
        x, y = plane.x(one.measured.size_bytes), plane.y(one.measured.accuracy)
        title = f"<title>{escape(one.name)}{escape(_words(one, best))}</title>"
        if one.broken:
            cross = f"M{x - 5} {y - 5}l10 10M{x - 5} {y + 5}l10 -10"
            yield f'<path class="n" d="{cross}">{title}</path>'
        elif one is best:
            points = f"{x},{y - 8} {x + 8},{y} {x},{y + 8} {x - 8},{y}"
            yield f'<polygon class="d" points="{points}">{title}</polygon>'
        else:
            yield f'<circle class="d" cx="{x}" cy="{y}" r="5">{title}</circle>'
        text = one.name if len(run.results) <= 6 else str(number)
        speed = f", {1 / one.measured.latency.ratio:.1f} times as fast"
        end, at = (" e", x - 12) if x > middle else ("", x + 12)
        below = 16 if number % 2 else -8
        yield f'<text class="m{end}" x="{at}" y="{y + below}">{escape(text + speed)}</text>'


def _legend() -> Iterator[str]:
    words = "square: before; diamond: best; dot: holds; cross: breaks a constraint; line: front"
    yield f'<text class="m" x="20" y="48">{words}</text>'


def _kib(size: float) -> str:
    return f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size / 1024:.0f} KiB"
