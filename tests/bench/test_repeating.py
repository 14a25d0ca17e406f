"""Repetitions: who goes first, and what the median of the rounds is."""

from collections.abc import Callable, Iterator

import pytest

from bench import repeating


@pytest.fixture(autouse=True)
def idle_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here writes: there is no write-back to wait for."""
    monkeypatch.setattr("os.sync", lambda: None)


def given(*seconds: float) -> Callable[[], float]:
    waiting: Iterator[float] = iter(seconds)
    return lambda: next(waiting)


def test_each_round_begins_with_another() -> None:
    order: list[str] = []

    def noting(name: str) -> Callable[[], float]:
        def contender() -> float:
            order.append(name)
            return 1

        return contender

    contenders = {name: noting(name) for name in "abc"}
    repeating.in_turns(contenders, repetitions=4)
    assert "".join(order) == "abcbcacababc"


def test_a_ratio_is_the_median_over_rounds_and_not_the_ratio_of_medians() -> None:
    turns = repeating.in_turns({"ours": given(1, 2, 4), "theirs": given(3, 4, 4)}, repetitions=3)
    assert turns.speed_ratio("ours", "theirs") == 2.0
    assert (turns.seconds("ours"), turns.seconds("theirs")) == (2, 4)


def test_twice_as_fast_as_the_reference_is_a_ratio_of_two() -> None:
    found = repeating.compared(given(1, 1), given(2, 2), repetitions=2)
    assert (found.seconds, found.reference_seconds, found.speed_ratio) == (1, 2, 2)
