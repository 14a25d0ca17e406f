"""Schedules as cron has them: five fields, and when they come, by the clock on the wall. Pure.

Minute, hour, day of the month, month, day of the week; each `*`, a number, a range, a list, any of
these with a step; months and weekdays also by name. Where both kinds of days are restricted, either
will do, as in every cron. What the day on which clocks change does to it is said in `_instants`.
"""

import bisect
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from registry.errors import InvalidInput

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_DAY = timedelta(days=1)
# The 29th of February is eight years from the next where a century is no leap year.
_HORIZON_DAYS = 8 * 366 + 1


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    # 7 is Sunday too.
    _Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`every_hour` and `any_day` remember a `*`, which means more than all numbers."""

    times: tuple[int, ...]
    """Seconds after midnight, in order."""
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    every_hour: bool
    any_day: bool
    any_weekday: bool

    def has(self, day: date) -> bool:
        """Whether it comes on this day at all."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return in_month and in_week
        return in_month or in_week


def parse(text: str) -> Schedule:
    """`0 22 * * mon-fri` and the like; raises `InvalidInput`, also for what never comes."""
    words = _SHORTHANDS.get(text.strip().lower(), text).lower().split()
    if len(words) != len(_FIELDS):
        raise InvalidInput(
            f"a schedule has five fields, and {text!r} has {len(words)}",
            fix="write minute, hour, day of the month, month and day of the week: 0 22 * * mon-fri",
        )
    values = [_values(word, field) for word, field in zip(words, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = values
    found = Schedule(
        times=tuple(
            60 * (60 * hour + minute) for hour in sorted(hours) for minute in sorted(minutes)
        ),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        every_hour=words[1].startswith("*"),
        any_day=words[2].startswith("*"),
        any_weekday=words[4].startswith("*"),
    )
    # Any eight years in a row have all there is, but for 1900 and its like.
    if not any(found.has(date(2024, 1, 1) + count * _DAY) for count in range(_HORIZON_DAYS)):
        raise InvalidInput(
            f"{text!r} never comes: no month has such a day", fix="write a day that the month has"
        )
    return found


def after(schedule: Schedule, zone: tzinfo, now: float) -> float:
    """When it comes next, later than `now` (seconds since the epoch)."""
    start = datetime.fromtimestamp(now, zone).date() - _DAY
    for count in range(_HORIZON_DAYS):
        day = start + count * _DAY
        if schedule.has(day):
            come = _on(schedule, zone, day)
            place = bisect.bisect_right(come, now)
            if place < len(come):
                return come[place]
    raise InvalidInput("a schedule that was found to come does not", fix="report this")


def last(schedule: Schedule, zone: tzinfo, now: float, *, within: float) -> float | None:
    """When it came last, at `now` or before; None where it did not in the last `within` seconds."""
    day = datetime.fromtimestamp(now, zone).date() + _DAY
    first = datetime.fromtimestamp(now - within, zone).date() - _DAY
    while day >= first:
        if schedule.has(day):
            come = _on(schedule, zone, day)
            place = bisect.bisect_right(come, now)
            if place:
                return come[place - 1] if come[place - 1] >= now - within else None
        day -= _DAY
    return None


@functools.lru_cache(maxsize=512)
def _on(schedule: Schedule, zone: tzinfo, day: date) -> tuple[float, ...]:
    """Its instants on one day of the calendar that it has, in order."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    start = midnight.timestamp()
    if (midnight + _DAY).timestamp() - start == _DAY.total_seconds():
        return tuple(start + time for time in schedule.times)
    walls = (midnight + timedelta(seconds=time) for time in schedule.times)
    every_hour = schedule.every_hour
    return tuple(
        sorted({come for wall in walls for come in _instants(wall, every_hour=every_hour)})
    )


def _instants(wall: datetime, *, every_hour: bool) -> Iterator[float]:
    """When the clock on the wall shows `wall`.

    A time that the clocks leave out in spring comes at the moment when they jump, and one that they
    show twice in autumn comes the first time: nothing that is due once on that day comes never, or
    twice. What comes every hour comes each hour that there is.
    """
    first, second = wall.replace(fold=0).timestamp(), wall.replace(fold=1).timestamp()
    if second > first:
        yield first
        if every_hour:
            yield second
    elif second < first:
        if not every_hour:
            yield _jump(wall, second, first)
    else:
        yield first


def _jump(wall: datetime, before: float, after: float) -> float:
    """The instant within (`before`, `after`] at which the clock skips `wall`."""
    zone = wall.tzinfo
    old = datetime.fromtimestamp(before, zone).utcoffset()
    low, high = before, after
    while high - low > 1:
        middle = float((low + high) // 2)
        if datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


def _values(text: str, field: _Field) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        width = _number(step, field, text) if slash else 1
        if width < 1:
            raise _wrong(text, field)
        if span == "*":
            low, high = field.first, min(field.last, 6) if field.words == _DAYS else field.last
        else:
            begin, dash, end = span.partition("-")
            low = _number(begin, field, text)
            high = _number(end, field, text) if dash else (field.last if slash else low)
        if not field.first <= low <= high <= field.last:
            raise _wrong(text, field)
        found.update(range(low, high + 1, width))
    return found


def _number(text: str, field: _Field, whole: str) -> int:
    if text in field.words:
        return field.words.index(text) + (field.first if field.words == _MONTHS else 0)
    if text.isascii() and text.isdigit() and len(text) <= 4:
        return int(text)
    raise _wrong(whole, field)


def _wrong(text: str, field: _Field) -> InvalidInput:
    names = f" or {field.words[0]}-{field.words[-1]}" if field.words else ""
    return InvalidInput(
        f"{text!r} is no {field.name}",
        fix=f"write *, or numbers from {field.first} to {field.last}{names}: 1, 1-5, 1,3 or */2",
    )
