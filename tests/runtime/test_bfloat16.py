"""bfloat16 without a library, against the library that others take for it."""

import ml_dtypes
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.backends import bfloat16


@given(st.lists(st.floats(width=32), max_size=20))
def test_numbers_are_rounded_as_the_library_rounds_them(numbers: list[float]) -> None:
    wide = np.array(numbers, np.float32)
    ours, theirs = bfloat16.narrowed(wide), wide.astype(ml_dtypes.bfloat16)
    assert np.array_equal(bfloat16.widened(ours), theirs.astype(np.float32), equal_nan=True)


def test_a_single_number_stays_one() -> None:
    found = bfloat16.narrowed(np.array(1.0))
    assert (found.shape, bfloat16.widened(found).tolist()) == ((), 1.0)
