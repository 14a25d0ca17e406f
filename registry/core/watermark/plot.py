"""The scores of a detection as an SVG: a row for each recipient, the threshold as a line.

It stands alone: its style, light and dark, is within, and it asks for nothing. Its title is the
verdict's sentence and its description says all that the drawing shows. What is named differs
from the rest by shape and weight too, never by colour alone.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from registry.core.watermark import findings, statistics
from registry.core.watermark.findings import Candidate, Detector, Score
from registry.core.watermark.report import Report
from registry.core.watermark.scheme import OWNER

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 820, 210, 28, 26, 64
_SHOWN = 10
_CANDIDATES = 3
_CHANCE = 3.0
_RING = 6
_TICKS = (-3, 0, 3, 10, 30, 100, 300, 1000, 3000)
_STYLE = """
svg{--ink:#14202e;--muted:#56657a;--line:#dde4ec;--paper:#fff;--band:#eef3f7;--hit:#ae2430;
--dot:#0a5f7d;font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e4ebf2;--muted:#9dadbf;--line:#2b3d53;
--paper:#121e2d;--band:#1a2a3c;--hit:#ff949b;--dot:#6fcde2}}
text{fill:var(--ink)}.m{fill:var(--muted);font-size:12px}.e{text-anchor:end}.c{text-anchor:middle}
.h{font-weight:650}.b{fill:var(--band)}.g{stroke:var(--line)}.ground{fill:var(--paper)}
.t{stroke:var(--ink);stroke-dasharray:5 3;stroke-width:1.5}.l{stroke:var(--dot);stroke-width:1.5}
.i{fill:var(--dot)}.o{fill:none;stroke:var(--dot);stroke-width:1.8}
.x .l{stroke:var(--hit);stroke-width:2.5}.x .i{fill:var(--hit)}
.x .o{stroke:var(--hit)}.x text{font-weight:650;fill:var(--hit)}
.s{stroke:var(--dot);fill:none;stroke-width:1.2;opacity:.55}
"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """Straight near zero, where innocents are, and logarithmic where marks are."""

    low: float
    high: float

    def x(self, u: float) -> float:
        low, high = _bent(self.low), _bent(self.high)
        share = (_bent(min(max(u, self.low), self.high)) - low) / (high - low)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


@dataclass(frozen=True, slots=True)
class _Row:
    """One recipient with what its detectors found."""

    recipient: str
    scores: tuple[Score, ...]
    is_named: bool

    @property
    def best(self) -> float:
        return max(score.u for score in self.scores)


def draw(report: Report) -> str:
    """The whole SVG document; the same report gives the same bytes."""
    count = findings.comparisons(report.candidates)
    line = statistics.threshold(count)
    every = [score.u for one in report.candidates for score in one.scores]
    axis = _Axis(min([-4.0, *every]), max([2 * line, *every]) * 1.08)
    shown = sorted(report.candidates, key=lambda one: -_best(one))[:_CANDIDATES]
    body: list[str] = []
    y = _TOP
    for candidate in shown:
        y = _panel(body, candidate, axis, y, line)
    if not shown:
        body.append(f'<text class="m" x="20" y="{y + 18}">There was nothing to compare.</text>')
        y += 30
    height = y + 66
    frame = [*_frame(axis, line, y), *body, *_legend(y + 48)] if shown else body
    return _document(report, height, frame, line)


def _document(report: Report, height: int, content: Sequence[str], line: float) -> str:
    sentence = report.verdict.sentence
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
        f'<title id="title">{escape(sentence)}</title>',
        f'<desc id="desc">{escape(_description(report, line))}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{_WIDTH}" height="{height}" rx="10"/>',
        f'<text class="h" x="20" y="28" font-size="15">{escape(_heading(report))}</text>',
        f'<text class="m" x="20" y="47">{escape(_subheading(report))}</text>',
    ]
    return "\n".join([*head, *content, "</svg>", ""])


def _heading(report: Report) -> str:
    named = report.verdict.named
    match report.verdict.finding:
        case findings.Finding.RECIPIENT | findings.Finding.RECIPIENTS:
            return f"Found: the mark of {findings.listed(named[:4])}"
        case findings.Finding.OWNER:
            return "Found: the owner's mark, and no recipient's"
        case findings.Finding.UNMARKED:
            return "Related weights, and no mark"
        case findings.Finding.NONE:
            return "No mark found"
        case findings.Finding.NOT_COMPARABLE:
            return "Nothing to compare with"


def _subheading(report: Report) -> str:
    files = report.suspect.files
    name = files[0].path if len(files) == 1 else f"{len(files)} files"
    count = findings.counted(findings.comparisons(report.candidates))
    return f"Suspect: {_short(name, 40)}, {report.suspect.weights:,} weights. {count}."


def _description(report: Report, line: float) -> str:
    """All that is drawn, for who cannot see it."""
    parts = [f"Scores against the threshold of {line:.2f}; chance alone stays within ±3."]
    for candidate in report.candidates:
        for row in _rows(candidate, line)[:_SHOWN]:
            scores = ", ".join(f"{score.detector} {score.u:.1f}" for score in row.scores)
            word = "above the threshold" if row.is_named else "below it"
            parts.append(f"{candidate.name}, {row.recipient}: {scores}, {word}.")
    return " ".join(parts)


def _panel(body: list[str], candidate: Candidate, axis: _Axis, y: int, line: float) -> int:
    """One candidate's rows; returns where the next one starts."""
    share = candidate.matched / max(candidate.weights, 1)
    facts = f"{share:.0%} of its weights compared, similarity {candidate.similarity:.4f}"
    body.append(
        f'<text class="h" x="20" y="{y + 16}">{escape(_short(candidate.name, 44))}</text>'
        f'<text class="m e" x="{_WIDTH - _RIGHT}" y="{y + 16}">{facts}</text>'
    )
    y += _ROW
    rows = _rows(candidate, line)
    for row in rows[:_SHOWN]:
        body.append(_drawn(row, axis, y))
        y += _ROW
    if rows[_SHOWN:]:
        body.append(_others(rows[_SHOWN:], axis, y))
        y += _ROW
    return y + 10


def _drawn(row: _Row, axis: _Axis, y: int) -> str:
    middle, start = y + _ROW // 2, axis.x(0)
    parts = [f'<g class="{"x" if row.is_named else "r"}">']
    label = "owner (all copies)" if row.recipient == OWNER else row.recipient
    parts.append(
        f'<text class="e" x="{_LEFT - 14}" y="{middle + 4}">{escape(_short(label, 26))}</text>'
        f'<line class="l" x1="{start}" x2="{axis.x(row.best)}" y1="{middle}" y2="{middle}"/>'
    )
    for score in sorted(row.scores, key=lambda one: one.detector):  # rings behind dots
        x = axis.x(score.u)
        title = f"<title>{escape(label)}, {score.detector}: {score.u:.1f}</title>"
        if score.detector is Detector.BLIND:
            parts.append(f'<circle class="o" cx="{x}" cy="{middle}" r="{_RING}">{title}</circle>')
        elif row.is_named:
            points = f"{x},{middle - 7} {x + 7},{middle} {x},{middle + 7} {x - 7},{middle}"
            parts.append(f'<polygon class="i" points="{points}">{title}</polygon>')
        else:
            parts.append(f'<circle class="i" cx="{x}" cy="{middle}" r="4.5">{title}</circle>')
    return "".join([*parts, "</g>"])


def _others(rows: Sequence[_Row], axis: _Axis, y: int) -> str:
    """All the rest in one row, a stroke a score: where innocents are is seen at a glance."""
    places = [axis.x(score.u) for row in rows for score in row.scores]
    marks = "".join(f'<path class="s" d="M{x} {y + 6}V{y + 20}"/>' for x in places)
    label = f"{len(rows)} others" if len(rows) > 1 else "1 other"
    return f'<text class="m e" x="{_LEFT - 14}" y="{y + 17}">{label}</text>{marks}'


def _frame(axis: _Axis, line: float, bottom: int) -> Iterator[str]:
    top = _TOP + _ROW - 4
    left, right = axis.x(-_CHANCE), axis.x(_CHANCE)
    height = bottom - top
    yield f'<rect class="b" x="{left}" y="{top}" width="{right - left:.1f}" height="{height}"/>'
    at = axis.x(line)
    for tick in _TICKS:
        x = axis.x(tick)
        if axis.low < tick < axis.high and abs(x - at) > 22:
            yield f'<line class="g" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'
            yield f'<text class="m c" x="{x}" y="{bottom + 16}">{tick}</text>'
    yield f'<line class="t" x1="{at}" x2="{at}" y1="{top}" y2="{bottom + 4}"/>'
    yield f'<text class="h c" x="{at}" y="{bottom + 17}" font-size="12">{line:.2f}</text>'


def _legend(y: int) -> Iterator[str]:
    """Below the axis, in the order in which it is read."""
    diamond = f"26,{y - 11} 33,{y - 4} 26,{y + 3} 19,{y - 4}"
    yield f'<g class="x"><polygon class="i" points="{diamond}"/></g>'
    yield f'<text class="m" x="40" y="{y}">named</text>'
    yield f'<circle class="i" cx="98" cy="{y - 4}" r="4.5"/>'
    yield f'<text class="m" x="109" y="{y}">informed</text>'
    yield f'<circle class="o" cx="180" cy="{y - 4}" r="{_RING}"/>'
    yield f'<text class="m" x="192" y="{y}">blind</text>'
    yield f'<line class="t" x1="240" x2="264" y1="{y - 4}" y2="{y - 4}"/>'
    words = "threshold: one wrong name in a million reports"
    yield f'<text class="m" x="271" y="{y}">{words}</text>'
    yield f'<rect class="b" x="572" y="{y - 11}" width="18" height="13"/>'
    yield f'<text class="m" x="597" y="{y}">where innocents are (±3)</text>'


def _rows(candidate: Candidate, line: float) -> list[_Row]:
    """The highest first."""
    grouped: defaultdict[str, list[Score]] = defaultdict(list)
    for score in candidate.scores:
        grouped[score.recipient].append(score)
    rows = [
        _Row(recipient, tuple(scores), any(score.u >= line for score in scores))
        for recipient, scores in grouped.items()
    ]
    return sorted(rows, key=lambda row: (-row.best, row.recipient))


def _best(candidate: Candidate) -> float:
    return max((score.u for score in candidate.scores), default=-math.inf)


def _bent(u: float) -> float:
    return math.asinh(u / 4)


def _short(text: str, length: int) -> str:
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"
