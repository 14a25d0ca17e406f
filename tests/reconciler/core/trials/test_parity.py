"""Two versions' answers against each other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.kinds.trials import Parity
from reconciler.core.trials import parity
from registry import errors


def spec(**said: Any) -> Parity:
    return Parity.model_validate({"with": "serving", **said})


def shortfalls(mine: list[Any], theirs: list[Any], **said: Any) -> tuple[str, ...]:
    found = parity.compared(mine, theirs, spec(**said), output=None)
    return parity.shortfalls(spec(**said), found)


def test_answers_within_the_tolerance_agree() -> None:
    assert shortfalls([[0.1, 0.9]], [[0.100001, 0.9]]) == ()


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=1, max_size=20))
def test_the_tolerance_is_numpys(numbers: list[tuple[float, float]]) -> None:
    mine, theirs = zip(*numbers, strict=True)
    found = parity.compared(
        [*mine], [*theirs], spec(absolute=0.5, relative=0.25), output=None
    ).different
    assert found == int((~np.isclose(mine, theirs, atol=0.5, rtol=0.25)).sum())


def test_how_many_differ_and_by_how_much_is_told() -> None:
    mine, theirs = [[0.1, 0.9], [0.2, 0.8]], [[0.1, 0.9], [0.3, 0.7]]
    assert shortfalls(mine, theirs) == (
        (
            "1 of 2 answers differ from the serving version by more than 1e-05 + 0.0001 x "
            "value, none may; the largest difference is 0.1"
        ),
    )
    assert shortfalls(mine, theirs, maxDifferent=0.5) == ()


def test_another_class_counts_even_within_the_tolerance() -> None:
    mine, theirs = [[0.49, 0.51], [0.1, 0.9]], [[0.51, 0.49], [0.1, 0.9]]
    assert shortfalls(mine, theirs, absolute=0.1, maxClassChanges=0.1) == (
        "1 of 2 samples have another class than with the serving version, 10.0% may",
    )
    assert shortfalls(mine, theirs, absolute=0.1, maxClassChanges=0.5) == ()


def test_outputs_are_compared_by_name_and_text_as_text() -> None:
    mine = [{"scores": [0.1, 0.9], "word": "cat"}]
    found = parity.compared(mine, [{"scores": [0.1, 0.9], "word": "dog"}], spec(), output="scores")
    assert (found.different, found.class_changes, found.form) == (1, 0, "")


def test_a_nan_agrees_with_a_nan_alone() -> None:
    assert shortfalls([["NaN", 1.0]], [["NaN", 1.0]]) == ()
    [reason, *_] = shortfalls([["NaN", 1.0]], [[0.5, 1.0]])
    assert "largest difference is inf" in reason


@pytest.mark.parametrize(
    ("mine", "theirs", "form"),
    [
        ([1.0, 2.0], [1.0], "the answer is a list of 2, not a list of 1"),
        ({"a": 1.0}, {"b": 1.0}, "the answer is {a}, not {b}"),
        ({"a": [1.0]}, {"a": "x"}, "a is a list of 1, not text"),
        (1.0, True, "the answer is a number, not true"),
    ],
)
def test_answers_that_are_built_otherwise_are_told_as_that(
    mine: Any, theirs: Any, form: str
) -> None:
    [reason] = shortfalls([mine], [theirs], maxDifferent=1, maxClassChanges=1)
    assert reason == f"answers are built otherwise than those of the serving version: {form}"


def test_no_answers_are_no_parity_and_unequal_numbers_of_them_an_error() -> None:
    assert shortfalls([], []) == ("there was no sample to compare the answers of",)
    with pytest.raises(errors.InvalidInput, match="1 answers are there, and 0 to compare"):
        shortfalls([1], [])


def test_drawn_samples_are_built_as_golden_ones_within_their_range_and_the_same_each_time() -> None:
    golden: list[Any] = [{"x": [0.5, 2.0], "n": 1}, {"x": [1.5, 2.0], "n": 5}]
    found = parity.drawn(golden, count=50, seed=3)
    assert found == parity.drawn(golden, count=50, seed=3) != parity.drawn(golden, count=50, seed=4)
    values = np.array([one["x"] for one in found if isinstance(one, dict)])
    assert (values.min(axis=0) >= [0.5, 2.0]).all()
    assert (values.max(axis=0) <= [1.5, 2.0]).all()
    assert {one["n"] for one in found if isinstance(one, dict)} == {1, 2, 3, 4, 5}
