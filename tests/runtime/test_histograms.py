"""Counts in bins that were asked for: what is counted, for how long, and what it can cost."""

from typing import Any

import numpy as np
import pytest

from registry import errors
from registry.core.canonical import Json
from runtime.backends import bfloat16
from runtime.backends.protocol import Array, objects
from runtime.inference.asked import Asked, Outcome, Times
from runtime.observation import Declared
from runtime.observing.histograms import Histograms, Wanted
from runtime.observing.observatory import Observatory
from tests.runtime.test_observing import PIN, observe


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def look(found: Histograms, *arrays: Array, outputs: tuple[str, ...] = ()) -> None:
    for array in arrays:
        asked = Asked("serving_default", {"x": array}, outputs)
        found.look(asked, Outcome({} if outputs else {"y": array}, Times(1, 1, 1, 1)))


def counts(found: Histograms, wanted: Wanted) -> Json:
    return found.counted(wanted, 60)["counts"]


def counted(wanted: Wanted, *arrays: Array) -> Any:
    """Of all of them, with a clock that has always gone on."""
    clock = Clock()
    found = Histograms(10, clock=clock)
    found.counted(wanted, 60)
    for array in arrays:
        clock.now += 1
        look(found, array)
    return found.counted(wanted, 60)


def test_a_column_is_counted_between_edges_and_what_is_not_finite_beside_them() -> None:
    rows = np.array([[0, 9], [1, 9], [1.5, 9], [7, 9], [np.nan, 9], [np.inf, 9]], dtype=np.float32)
    edged = Wanted("input", "x", 0, edges=(1.0, 2.0))
    assert counted(edged, rows)["counts"] == [1, 2, 1, 2]
    assert counted(edged, np.zeros((0, 2), dtype=np.float32))["counts"] == [0, 0, 0, 0]
    narrow = bfloat16.narrowed(np.array([[1.5], [0.5]], dtype=np.float32))
    assert counted(edged, narrow, np.array(3, dtype=np.int64))["counts"] == [1, 1, 1, 0]


def test_without_a_column_a_row_counts_by_its_mean() -> None:
    pictures = np.stack([np.zeros((8, 8)), np.full((8, 8), 2.0)])
    assert counted(Wanted("output", "y", None, edges=(1.0,)), pictures)["counts"] == [1, 1, 0]


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [np.nan, 1.0]]),
        np.array([1, 0, 1, 5]),
        objects([b"1", b"0", b"1", b"\xff secret"], (4,)),
        np.array([1.0, 0.0, 1.0, 0.5]),
    ],
)
def test_what_a_row_says_is_counted_by_categories(array: Array) -> None:
    wanted = Wanted("output", "y", None, categories=("0", "1"))
    found = counted(wanted, array)
    assert found["counts"] == [1, 2, 1]
    assert "secret" not in str(found)


def test_what_cannot_be_counted_is_a_problem_and_no_count() -> None:
    row = np.zeros((1, 2))
    for wanted, said in (
        (Wanted("input", "z", 0, edges=(1.0,)), "no input 'z', but x"),
        (Wanted("input", "x", 2, edges=(1.0,)), "no column 2"),
    ):
        found = counted(wanted, row)
        assert said in found["problem"]
        assert not sum(found["counts"])
    text = objects([b"a", b"b"], (1, 2))
    assert "text" in counted(Wanted("input", "x", 0, edges=(1.0,)), text)["problem"]
    assert "column" in counted(Wanted("input", "x", None, categories=("a",)), text)["problem"]


def test_an_output_that_the_client_did_not_ask_for_is_no_problem() -> None:
    found, wanted = Histograms(10), Wanted("output", "y", None, edges=(1.0,))
    found.counted(wanted, 60)
    look(found, np.zeros(1), outputs=("other",))
    assert found.counted(wanted, 60)["problem"] is None


def test_no_more_than_so_many_inferences_a_second_are_counted_and_none_unasked() -> None:
    clock, wanted = Clock(), Wanted("input", "x", None, edges=(1.0,))
    found = Histograms(10, clock=clock)
    look(found, np.zeros(1))
    assert counts(found, wanted) == [0, 0, 0]
    for _ in range(1000):
        clock.now += 0.001
        look(found, np.zeros(1))
    (below, _, _) = found.counted(wanted, 60)["counts"]  # type: ignore[misc]
    assert below in (9, 10)
    clock.now += 61
    look(found, np.zeros(1))
    again = found.counted(wanted, 60)
    assert again["counts"] == [0, 0, 0]


def test_only_so_many_are_watched_and_those_nobody_asks_for_make_room() -> None:
    clock = Clock()
    found = Histograms(10, clock=clock)
    for place in range(64):
        found.counted(Wanted("input", "x", place, edges=(1.0,)), 60)
    one_more = Wanted("input", "x", 64, edges=(1.0,))
    with pytest.raises(errors.Conflict, match="64 histograms"):
        found.counted(one_more, 60)
    clock.now += 61
    assert counts(found, one_more) == [0, 0, 0]


def test_a_huge_batch_is_counted_by_some_of_its_rows() -> None:
    found = counted(Wanted("input", "x", None, edges=(1.0,)), np.zeros((100_000, 64)))
    assert 500 < sum(found["counts"]) <= 1024


def test_nothing_is_watched_where_sketches_are_switched_off() -> None:
    observatory = Observatory(Declared(0, 0), host="h")
    observe(observatory, np.zeros(1), np.zeros(1))
    with pytest.raises(errors.Conflict, match="sketchesPerSecond is 0"):
        observatory.histogram("m", 7, Wanted("input", "x", None, edges=(1.0,)), seconds=60)
    with pytest.raises(errors.NotFound, match="m@8"):
        observatory.histogram("m", 8, Wanted("input", "x", None, edges=(1.0,)), seconds=60)
    assert observatory.of(PIN).histograms is None
