"""Draws what served where as SVG: a row a host, a bar an interval, time from left to right.

Where times are none, or all the same, the order of the log is drawn instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from registry.core.audit import timeline
from registry.core.audit.timeline import Interval, Mark

WIDTH, _LEFT, _RIGHT = 1000, 150, 12
_TOP, _ROW, _BAR = 8, 34, 22
_HOSTS = 40
_COLOURS = 6
_LABEL = 34
_MOST_TICKS = 7
_STEPS = [
    timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=5),
    timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6),
    timedelta(hours=12), timedelta(days=1), timedelta(days=2), timedelta(days=7),
    timedelta(days=14), timedelta(days=28), timedelta(days=91), timedelta(days=364),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval: `colour` is one of six, `tone` whether it served or was only announced."""

    x: float
    y: int
    width: float
    colour: int
    tone: str
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment on the axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Gantt:
    """`hidden` counts the hosts that did not fit."""

    width: int
    height: int
    rows: tuple[tuple[str, int], ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    legend: tuple[tuple[str, int], ...]
    hidden: int


def draw(intervals: Sequence[Interval], *, size: int, end: str) -> Gantt:
    """`size` and `end` are the log's: where what still serves is drawn up to."""
    hosts = sorted({one.host for one in intervals})
    rows = {host: _TOP + row * _ROW for row, host in enumerate(hosts[:_HOSTS])}
    axis = _Axis(intervals, Mark(size, end))
    versions = {(one.model, one.version): 0 for one in intervals}
    colours = {key: number % _COLOURS for number, key in enumerate(versions)}
    bars = [
        bar
        for one in intervals
        if one.host in rows
        for bar in _bars(one, axis, rows[one.host], colours[one.model, one.version])
    ]
    return Gantt(
        WIDTH,
        _TOP + len(rows) * _ROW + 24,
        tuple(rows.items()),
        tuple(bars),
        tuple(axis.ticks()),
        tuple((f"{model}@{version}", colour) for (model, version), colour in colours.items()),
        len(hosts) - len(rows),
    )


class _Axis:
    """From an entry to its place between left and right."""

    def __init__(self, intervals: Sequence[Interval], end: Mark) -> None:
        marks = [end]
        for one in intervals:
            marks += [mark for mark in (one.announced, one.since, one.until) if mark is not None]
        moments = [timeline.moment_of(mark.time) for mark in marks]
        known = [moment for moment in moments if moment is not None]
        self._has_times = len(known) == len(moments) and min(known) < max(known)
        self.end = end
        if self._has_times:
            self._first, self._last = _seconds(min(known)), _seconds(max(known))
        else:
            self._first = float(min(mark.index for mark in marks))
            self._last = float(max(mark.index for mark in marks)) + 1

    def x(self, mark: Mark) -> float:
        moment = timeline.moment_of(mark.time)
        at = _seconds(moment) if self._has_times and moment else float(mark.index)
        share = (at - self._first) / (self._last - self._first)
        return round(_LEFT + min(max(share, 0), 1) * (WIDTH - _LEFT - _RIGHT), 1)

    def ticks(self) -> list[Tick]:
        if not self._has_times:
            return [Tick(_LEFT, f"entry {self._first:.0f}")]
        span = timedelta(seconds=self._last - self._first)
        step = next((one for one in _STEPS if span / one <= _MOST_TICKS), span / _MOST_TICKS)
        seconds = step.total_seconds()
        at = -(-self._first // seconds) * seconds
        found = list[Tick]()
        while at <= self._last:
            moment = datetime.fromtimestamp(at, UTC)
            share = (at - self._first) / (self._last - self._first)
            x = round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)
            found.append(Tick(x, _label(moment, step)))
            at += seconds
        return found


def _bars(one: Interval, axis: _Axis, y: int, colour: int) -> list[Bar]:
    title = f"{one.model}@{one.version} on {one.host}, {_span(one)}"
    found: list[Bar] = []
    until = one.until or axis.end
    top = y + (_ROW - _BAR) // 2
    if one.announced is not None:
        x, stop = axis.x(one.announced), axis.x(one.since or until)
        found.append(Bar(x, top, max(stop - x, 0), colour, "announced", "", f"announced: {title}"))
    if one.since is not None:
        x = axis.x(one.since)
        width = max(axis.x(until) - x, 3)
        label = f"v{one.version}" if width > _LABEL else ""
        tone = "open" if one.until is None else "ended"
        found.append(Bar(x, top, width, colour, tone, label, title))
    return found


def _span(one: Interval) -> str:
    begun = one.since or one.announced
    since = f"from {begun.time}" if begun else ""
    return f"{since} to {one.until.time}" if one.until else f"{since}, still serving"


def _label(moment: datetime, step: timedelta) -> str:
    if step >= timedelta(days=1):
        return f"{moment:%d %b %Y}" if step >= timedelta(days=91) else f"{moment:%d %b}"
    if moment.hour == moment.minute == moment.second == 0:
        return f"{moment:%d %b}"
    return f"{moment:%H:%M:%S}" if step < timedelta(minutes=1) else f"{moment:%H:%M}"


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
