"""Counters between two looks, and quantiles of what was counted."""

import math

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import counting
from reconciler.core.counting import Counts

BOUNDS = (0.1, 0.2, 0.4, math.inf)


def counts(values: list[float]) -> Counts:
    """As a histogram of `BOUNDS` counts them."""
    buckets = {bound: float(sum(value <= bound for value in values)) for bound in BOUNDS}
    return Counts(float(len(values)), 0.0, 0.0, buckets)


VALUES = st.lists(st.floats(0, 1), max_size=60)


@given(VALUES, VALUES)
def test_what_came_since_is_the_difference(before: list[float], came: list[float]) -> None:
    assert counting.since(counts(before + came), counts(before)) == counts(came)


@given(VALUES)
def test_counts_survive_being_written_down(values: list[float]) -> None:
    assert counting.read(counts(values).document()) == counts(values)


@given(VALUES, VALUES)
def test_two_hosts_are_counted_as_one(one: list[float], two: list[float]) -> None:
    assert counts(one) + counts(two) == counts(one + two)


@given(st.lists(st.floats(0.001, 0.39), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_a_quantile_is_in_the_bucket_of_the_true_one(values: list[float], share: float) -> None:
    found = counting.quantile(counts(values).buckets, share)
    assert found is not None
    true = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    upper = next(bound for bound in BOUNDS if true <= bound)
    lower = max((bound for bound in BOUNDS if bound < true), default=0.0)
    assert lower - 1e-9 <= found <= upper + 1e-9


def test_beyond_the_last_bound_a_quantile_is_that_bound() -> None:
    assert counting.quantile(counts([0.9] * 5).buckets, 0.5) == 0.4


def test_nothing_has_no_quantile() -> None:
    assert counting.quantile({}, 0.5) is None
    assert counting.quantile(counts([]).buckets, 0.5) is None


def test_what_is_no_count_is_read_as_none() -> None:
    good = counts([0.1]).document()
    for bad in (
        None,
        [],
        {**good, "requests": "x"},
        {**good, "buckets": {"x": 1}},
        {"buckets": {}},
    ):
        assert counting.read(bad) is None
