"""What served where: the reduction of the log, whatever order, crash or clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.audit.criteria import Criteria
from registry.core.audit.timeline import Clock, Interval, State, Timeline, served
from registry.core.entries import Entry, Kind

PLACES = st.sampled_from([("p/m", "a"), ("p/m", "b"), ("q/m", "a")])
KINDS = st.sampled_from(
    [Kind.STARTED, Kind.DEPLOYING, Kind.DEPLOYED, Kind.ROLLED_BACK, Kind.REMOVED, Kind.TESTED]
)


def entry(
    kind: Kind, version: int, *, place: tuple[str, str] = ("p/m", "a"), instance: str = ""
) -> Entry:
    return Entry(
        time="2026-11-23T08:00:00Z", kind=kind, actor="reconciler:r", model="m", version=version,
        digest=f"sha256:{version:064x}", host=place[1], deployment=place[0],
        commit=f"c{version}", detail={"instance": instance} if instance else {},
    )  # fmt: skip


def timeline(entries: list[Entry]) -> tuple[Interval, ...]:
    made = Timeline()
    for index, one in enumerate(entries):
        made.add(index, one)
    return made.intervals


def spans(entries: list[Entry]) -> list[tuple[str, int, int, int | None]]:
    return [
        (one.host, one.version, one.since.index, one.until.index if one.until else None)
        for one in served(timeline(entries))
        if one.since
    ]


HISTORIES = st.lists(
    st.builds(
        lambda kind, version, place: entry(kind, version, place=place),
        KINDS,
        st.integers(1, 3),
        PLACES,
    ),
    max_size=30,
)


def test_a_run_ends_where_the_next_begins_or_its_instance_is_removed() -> None:
    b = ("p/m", "b")
    assert spans(
        [
            entry(Kind.STARTED, 1),
            entry(Kind.DEPLOYED, 1),
            entry(Kind.DEPLOYED, 1, place=b),
            entry(Kind.DEPLOYED, 2),
            entry(Kind.REMOVED, 1),
            entry(Kind.ROLLED_BACK, 1),
            entry(Kind.REMOVED, 1, place=b),
        ]
    ) == [("a", 1, 1, 3), ("b", 1, 2, 6), ("a", 2, 3, 5), ("a", 1, 5, None)]


def test_what_was_announced_is_uncertain_until_it_is_confirmed() -> None:
    found = timeline([entry(Kind.DEPLOYED, 1), entry(Kind.DEPLOYING, 2), entry(Kind.DEPLOYED, 2)])
    states = [[one.state(size) for one in found] for size in range(4)]
    assert states == [
        [None, None],
        [State.SERVING, None],
        [State.SERVING, State.ANNOUNCED],
        [None, State.SERVING],
    ]


def test_what_was_announced_and_never_done_did_not_serve() -> None:
    found = timeline([entry(Kind.DEPLOYED, 1), entry(Kind.DEPLOYING, 2), entry(Kind.REMOVED, 2)])
    assert [one.state(3) for one in found] == [State.SERVING, None]
    assert len(served(found)) == 1


def test_the_removal_of_another_instance_of_the_same_version_ends_nothing() -> None:
    first = entry(Kind.DEPLOYED, 1, instance="m-1")
    again = entry(Kind.DEPLOYED, 1, instance="m-2")
    moved = Entry(**{name: getattr(again, name) for name in Entry.__slots__} | {"commit": "c9"})
    gone = entry(Kind.REMOVED, 1, instance="m-1")
    assert spans([first, moved, gone]) == [("a", 1, 0, 1), ("a", 1, 1, None)]


@given(HISTORIES)
def test_the_state_after_any_prefix_is_the_state_at_that_point(entries: list[Entry]) -> None:
    whole = timeline(entries)
    for size in range(len(entries) + 1):
        then = {
            (one.place, one.version, one.state(size))
            for one in timeline(entries[:size])
            if one.state(size)
        }
        now = {(one.place, one.version, one.state(size)) for one in whole if one.state(size)}
        assert then == now


@given(HISTORIES)
def test_one_version_at_a_time_serves_in_a_place(entries: list[Entry]) -> None:
    whole = timeline(entries)
    for size in range(len(entries) + 1):
        serving = [one.place for one in whole if one.state(size) is State.SERVING]
        assert len(serving) == len(set(serving))


@given(HISTORIES, st.data())
def test_what_is_told_twice_after_a_crash_changes_nothing(
    entries: list[Entry], data: st.DataObject
) -> None:
    again = data.draw(st.sampled_from(range(len(entries)))) if entries else 0
    twice = entries[: again + 1] + entries[again : again + 1] + entries[again + 1 :]

    def shape(given: list[Entry]) -> list[tuple[tuple[str, str], int, bool, bool]]:
        return [
            (one.place, one.version, one.since is not None, one.until is not None)
            for one in timeline(given)
        ]

    assert shape(twice) == shape(entries)


@given(HISTORIES)
def test_a_place_has_its_history_whatever_happens_elsewhere(entries: list[Entry]) -> None:
    def shape(found: tuple[Interval, ...], place: tuple[str, str]) -> list[tuple[int, bool, bool]]:
        return [
            (one.version, one.since is not None, one.until is not None)
            for one in found
            if one.place == place
        ]

    whole = timeline(entries)
    for place in (("p/m", "a"), ("p/m", "b"), ("q/m", "a")):
        alone = timeline([one for one in entries if (one.deployment, one.host) == place])
        assert shape(whole, place) == shape(alone, place)


def at(minute: int) -> datetime:
    return datetime(2026, 11, 23, 8, minute, tzinfo=UTC)


def cut(minutes: list[int], moment: int) -> tuple[int, int | None]:
    clock = Clock(at(moment))
    for index, minute in enumerate(minutes):
        clock.see(index, at(minute).isoformat())
    return clock.size, clock.late


def test_a_moment_lies_behind_all_that_claims_to_be_before_it() -> None:
    assert cut([1, 2, 3], 2) == (2, None)
    assert cut([1, 2, 3], 0) == (0, None)
    assert cut([1, 2, 3], 9) == (3, None)


def test_where_the_clock_went_back_the_order_of_the_log_rules_and_it_is_said() -> None:
    assert cut([10, 20, 15, 25], 17) == (1, 2)
    assert cut([10, 20, 15, 25], 20) == (3, None)


def test_a_time_that_is_none_moves_nothing() -> None:
    clock = Clock(at(5))
    for index, text in enumerate(["yesterday", at(1).isoformat(), "", at(7).isoformat()]):
        clock.see(index, text)
    assert (clock.size, clock.late) == (3, None)


@given(st.lists(st.integers(0, 59), max_size=20), st.integers(0, 58))
def test_a_later_moment_never_sees_less_of_the_log(minutes: list[int], moment: int) -> None:
    assert cut(minutes, moment)[0] <= cut(minutes, moment + 1)[0]


@pytest.mark.parametrize(
    ("criteria", "is_fit"),
    [
        (Criteria(), True),
        (Criteria(host="a", model="m", version=2), True),
        (Criteria(host="b"), False),
        (Criteria(actor="r"), True),
        (Criteria(actor="reconciler:r"), True),
        (Criteria(actor="econciler:r"), False),
        (Criteria(digest="sha256:" + "0" * 10), True),
        (Criteria(digest="000000"), False),
        (Criteria(commit="c2"), True),
        (Criteria(commit="c"), False),
        (Criteria(kind=Kind.TESTED), False),
        (Criteria(since=at(0), until=at(0)), True),
        (Criteria(since=at(0) + timedelta(seconds=1)), False),
        (Criteria(until=at(0) - timedelta(seconds=1)), False),
    ],
)
def test_all_that_is_asked_for_must_fit(criteria: Criteria, is_fit: bool) -> None:
    assert criteria.fit(entry(Kind.DEPLOYED, 2)) is is_fit
