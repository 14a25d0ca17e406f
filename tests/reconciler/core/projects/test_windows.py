"""When rollouts may begin: schedules against a slow reading of them, days when clocks change."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.projects import cron, windows
from reconciler.core.projects.windows import Closed, Open, Window
from registry.errors import InvalidInput

BERLIN = ZoneInfo("Europe/Berlin")
WEEK_S = 7 * 86400


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def window(
    schedule: str, hours: float, *, denies: bool = False, manual: bool = False, reason: str = ""
) -> Window:
    return Window(denies, schedule, hours * 3600, "Europe/Berlin", manual, reason)


def coming(schedule: str, start: str, count: int = 1, zone: ZoneInfo = BERLIN) -> list[str]:
    """The next times, as the clock on the wall shows them, with its distance from UTC."""
    found, now, parsed = [], at(start, zone), cron.parse(schedule)
    for _ in range(count):
        now = cron.after(parsed, zone, now)
        found.append(datetime.fromtimestamp(now, UTC).astimezone(zone).isoformat(" ", "minutes"))
    return found


def test_schedules_say_what_they_say_in_every_cron() -> None:
    monday = "2026-06-01 12:00"
    assert coming("0 22 * * mon-fri", "2026-06-05 22:00")[0][:16] == "2026-06-08 22:00"
    assert coming("*/20 12 * * *", monday, 2) == [
        "2026-06-01 12:20+02:00",
        "2026-06-01 12:40+02:00",
    ]
    assert coming("5,35 8-9 * * *", monday)[0][:16] == "2026-06-02 08:05"
    assert coming("0 0 29 feb *", monday)[0][:16] == "2028-02-29 00:00"
    assert coming("0 0 * * 7", monday) == coming("@weekly", monday) == coming("0 0 * * 0", monday)
    # Both kinds of days restricted: either will do.
    assert [day[:10] for day in coming("0 0 13 * fri", monday, 3)] == [
        "2026-06-05", "2026-06-12", "2026-06-13"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
     "5-1 * * * *", "*/0 * * * *", "1- * * * *", "x * * * *", "0 0 30 2 *", "@reboot", "-1 * * * *",
     "٣ * * * *", "0 0 31 4,6,9,11 *", "* * * * mon-sun"],
)  # fmt: skip
def test_what_is_no_schedule_or_never_comes_is_refused_with_what_helps(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        cron.parse(text)
    assert error.value.fix


def test_a_time_that_clocks_leave_out_in_spring_comes_when_they_jump() -> None:
    assert coming("30 2 * * *", "2026-03-28 12:00", 2) == [
        "2026-03-29 03:00+02:00",
        "2026-03-30 02:30+02:00",
    ]


def test_a_time_that_clocks_show_twice_in_autumn_comes_the_first_time_only() -> None:
    assert coming("30 2 * * *", "2026-10-24 12:00", 2) == [
        "2026-10-25 02:30+02:00",
        "2026-10-26 02:30+01:00",
    ]


def test_what_comes_every_hour_comes_in_each_hour_that_there_is() -> None:
    assert coming("15 * * * *", "2026-03-29 01:00", 2) == [
        "2026-03-29 01:15+01:00",
        "2026-03-29 03:15+02:00",
    ]
    assert coming("15 * * * *", "2026-10-25 01:30", 3) == [
        "2026-10-25 02:15+02:00",
        "2026-10-25 02:15+01:00",
        "2026-10-25 03:15+01:00",
    ]


def test_a_window_over_the_night_of_the_change_is_as_long_as_it_says() -> None:
    night = (window("0 22 * * *", 8),)
    assert windows.state(night, at("2026-03-29 06:59")) == Open()  # 22:00 and eight hours
    assert isinstance(windows.state(night, at("2026-03-29 07:00")), Closed)
    assert windows.state(night, at("2026-10-25 04:59")) == Open()
    assert isinstance(windows.state(night, at("2026-10-25 05:00")), Closed)


def test_where_clocks_jump_by_half_an_hour_it_comes_when_they_do() -> None:
    lord_howe = ZoneInfo("Australia/Lord_Howe")
    assert coming("15 2 * * *", "2026-10-03 12:00", 1, lord_howe) == ["2026-10-04 02:30+11:00"]


def test_a_closed_window_says_until_when_and_why() -> None:
    found = windows.state(
        (window("0 22 * * mon-fri", 6, reason="quiet hours"),), at("2026-06-06 12:00")
    )
    assert found == Closed(
        "no allow window is open (quiet hours); rollouts may begin from "
        "2026-06-08 22:00 Europe/Berlin",
        at("2026-06-08 22:00"),
        manual=False,
    )


def test_a_deny_window_closes_what_an_allow_window_opens() -> None:
    both = (window("0 8 * * *", 10), window("0 0 1 * *", 24, denies=True, reason="month end"))
    assert windows.state(both, at("2026-06-02 09:00")) == Open()
    found = windows.state(both, at("2026-06-01 09:00"))
    assert isinstance(found, Closed)
    assert found.until == at("2026-06-02 08:00")
    assert "a deny window is open (month end)" in found.why


def test_windows_that_never_open_say_so_and_take_no_time() -> None:
    found = windows.state((window("* * * * *", 1, denies=True),), at("2026-06-01 09:00"))
    assert isinstance(found, Closed)
    assert found.until is None
    assert "may not begin within a year" in found.why


def test_by_hand_it_may_begin_only_where_each_closed_window_lets_it() -> None:
    hard, soft = window("0 8 * * *", 1), window("0 20 * * *", 1, manual=True)
    now = at("2026-06-01 12:00")
    manual = [windows.state(given, now) for given in ((hard,), (soft,), (hard, soft))]
    assert [isinstance(one, Closed) and one.manual for one in manual] == [False, True, False]
    assert windows.state((), now) == Open()


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    spans = st.tuples(number, number).map(sorted).map(lambda two: f"{two[0]}-{two[1]}")
    steps = st.tuples(st.just("*") | spans, st.integers(1, 20)).map(
        lambda two: f"{two[0]}/{two[1]}"
    )
    one = number.map(str) | spans | steps
    return st.just("*") | st.lists(one, min_size=1, max_size=3).map(",".join)


SCHEDULES = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(
    " ".join
)


def says(text: str, low: int, high: int) -> set[int]:
    """A field, read by the book and by nobody in a hurry."""
    found = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, end = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= {
            n
            for n in range(int(first), int(end or first) + 1)
            if not (n - int(first)) % int(step or 1)
        }
    return found


def reading(schedule: str) -> Callable[[datetime], bool]:
    minute, hour, day, month, weekday = schedule.split()
    both = day.startswith("*") or weekday.startswith("*")
    minutes, hours, months = says(minute, 0, 59), says(hour, 0, 23), says(month, 1, 12)
    days, weekdays = says(day, 1, 31), {n % 7 for n in says(weekday, 0, 6)}

    def comes(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        on_day, on_weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        return (on_day and on_weekday) if both else (on_day or on_weekday)

    return comes


@settings(max_examples=50, deadline=None)
@given(SCHEDULES, st.integers(0, 4000), st.integers(1, 59))
@example("0 0 * * 7", 0, 1)
def test_the_next_time_is_what_who_looks_at_every_minute_finds(
    schedule: str, day: int, minute: int
) -> None:
    start = datetime(2020, 1, 1, 0, minute, tzinfo=UTC) + timedelta(days=day)
    found = datetime.fromtimestamp(cron.after(cron.parse(schedule), UTC, start.timestamp()), UTC)
    assert found > start
    comes = reading(schedule)
    assert comes(found)
    walls = (start + timedelta(minutes=count) for count in range(1, 1500))
    assert not any(comes(wall) for wall in walls if wall < found)
    before = cron.last(cron.parse(schedule), UTC, found.timestamp() + 30, within=60)
    assert before == found.timestamp()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(SCHEDULES, st.integers(1, 72), st.booleans()), min_size=1, max_size=3),
    st.integers(int(at("2026-03-20 00:00")), int(at("2026-11-01 00:00"))),
)
def test_nothing_opens_before_the_time_that_is_told_and_then_it_does(
    drawn: list[tuple[str, int, bool]], now: int
) -> None:
    all_windows = tuple(window(text, hours, denies=denies) for text, hours, denies in drawn)
    found = windows.state(all_windows, now)
    if isinstance(found, Open) or found.until is None:
        return
    assert windows.state(all_windows, found.until) == Open()
    assert found.until > now - 60
    for share in range(1, 20):
        between = now + (found.until - now) * share / 20
        if between // 60 * 60 < found.until:
            assert isinstance(windows.state(all_windows, between), Closed)
