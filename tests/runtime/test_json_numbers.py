"""Numbers are told from what is too large for them by one sum, and that sum is never wrong."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.protocols import json_numbers

_ASKED = st.sampled_from([("float16", 2.0**11), ("float32", 2.0**24), ("float64", 2.0**53)])
_NEAR = st.sampled_from([1, -1, 0.5, 2.0**24, -(2.0**24), 2.0**24 - 1, 2.0**53, 1e200, -1e300])
_NUMBERS = st.lists(st.floats(width=64) | _NEAR, min_size=1, max_size=40)


@given(_NUMBERS, _ASKED, st.booleans())
def test_a_limit_holds_for_exactly_those_numbers_that_are_all_below_it(
    numbers: list[float], asked: tuple[str, float], is_bounded: bool
) -> None:
    dtype, limit = asked[0], asked[1] if is_bounded else math.inf
    with np.errstate(over="ignore"):
        array = np.array(numbers, np.float64).astype(dtype)
    expected = all(abs(number) < limit for number in array.tolist())
    assert json_numbers.are_below(array, limit) is expected


def test_numbers_whose_squares_together_pass_the_limit_are_still_below_it_each() -> None:
    assert json_numbers.are_below(np.full(4096, 2.0**23, np.float32), 2.0**24)
    assert json_numbers.are_below(np.full(100_000, 2.0**23, np.float32), 2.0**24)
    assert not json_numbers.are_below(np.full(100_000, 2.0**24, np.float32), 2.0**24)
