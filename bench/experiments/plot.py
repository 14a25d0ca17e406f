"""How often which test is sure after how many users, as SVG. Pure."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _TOP, _DEEP, _WIDE = 880, 372, 84, 220, 340
_STYLE = """
svg { font: 12px system-ui, sans-serif; }
.ink { fill: #1f2933; } .quiet { fill: #52606d; } .axis { stroke: #9aa5b1; fill: none; }
.ours { stroke: #0b6bcb; fill: none; stroke-width: 2.5; } .page { fill: #ffffff; }
.naive { stroke: #b44d12; fill: none; stroke-width: 2; }
.limit { stroke: #b42318; stroke-dasharray: 4 4; } .fixed { fill: #1f2933; }
@media (prefers-color-scheme: dark) {
.ink, .fixed { fill: #e4e7eb; } .quiet { fill: #9aa5b1; } .axis { stroke: #616e7c; }
.ours { stroke: #62b0ff; } .naive { stroke: #f0996a; } .limit { stroke: #ff8a80; }
.page { fill: #12181f; } }
"""

Pairs = Sequence[tuple[int | None, int | None]]


def drawn(alike: Pairs, differing: Pairs, fixed: int) -> str:
    """The whole drawing; `fixed` is how many users a z-test with one look needs."""
    title = "How often a winner is named, looking after every user"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"',
        f'aria-label="{title}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>',
        _text(24, 26, title, "ink", "start", weight=600),
        *_legend(),
        *_panel(64, "there is no difference", alike, fixed, most=0.5),
        *_panel(488, "the smallest difference that matters", differing, fixed, most=1.0),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _legend() -> list[str]:
    parts, at = list[str](), 24
    for kind, said in (("ours", "the experiment's test"), ("naive", "a z-test, peeked at")):
        parts.append(f'<line class="{kind}" x1="{at}" x2="{at + 22}" y1="44" y2="44"/>')
        parts.append(_text(at + 28, 48, said, "quiet", "start"))
        at += 50 + 7 * len(said)
    parts.append(f'<circle class="fixed" cx="{at + 6}" cy="44" r="4"/>')
    parts.append(_text(at + 16, 48, "a z-test with one look", "quiet", "start"))
    return parts


def _panel(left: int, title: str, found: Pairs, fixed: int, *, most: float) -> list[str]:
    bottom, longest = _TOP + _DEEP, 3 * fixed

    def at(users: float, share: float) -> tuple[float, float]:
        return left + _WIDE * users / longest, bottom - _DEEP * min(share, most) / most

    parts = [
        _text(left, _TOP - 10, title, "ink", "start"),
        f'<path class="axis" d="M{left},{_TOP}V{bottom}H{left + _WIDE}"/>',
    ]
    for step in range(6):
        share = most * step / 5
        parts.append(_text(left - 6, at(0, share)[1] + 4, f"{share:.0%}", "quiet", "end"))
    for step in range(4):
        users = fixed * step
        parts.append(_text(at(users, 0)[0], bottom + 18, f"{users:,}", "quiet", "middle"))
    parts.append(_text(left + _WIDE / 2, bottom + 40, "users of both variants", "quiet", "middle"))
    for which, kind in ((1, "naive"), (0, "ours")):
        points = [at(users, share) for users, share in _curve(found, which, longest)]
        said = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="{kind}" points="{said}"/>')
    if most < 1:
        (x, y), (end, _) = at(0, 0.05), at(longest, 0.05)
        parts.append(f'<line class="limit" x1="{x}" x2="{end}" y1="{y}" y2="{y}"/>')
    x, y = at(fixed, 0.05 if most < 1 else 0.8)
    parts.append(f'<circle class="fixed" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
    return parts


def _curve(found: Pairs, which: int, longest: int) -> list[tuple[float, float]]:
    """The share that was sure by then, at 120 places."""
    ends = sorted(one[which] or longest + 1 for one in found)
    points, index = list[tuple[float, float]](), 0
    for step in range(121):
        users = longest * step / 120
        while index < len(ends) and ends[index] <= users:
            index += 1
        points.append((users, index / len(ends)))
    return points


def _text(x: float, y: float, said: str, kind: str, anchor: str, *, weight: int = 400) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(said)}</text>'
    )
