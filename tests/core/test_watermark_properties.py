"""wm/v1 held to what it promises for all inputs: ranges, patterns of bits, smallest numbers."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.core.watermark import embedding, keys
from registry.core.watermark.embedding import Marker
from registry.core.watermark.scheme import Tensor

Array = np.ndarray[Any, Any]
KEY = keys.version_key(b"m" * 32, f"sha256:{'0' * 64}").copy_key("edge-1")
ALPHA = 0.03
BITS = np.arange(1 << 16, dtype=np.uint16)
COUNT = embedding.STEP + 17


def mark(dtype: str, values: Array, start: int = 0) -> Array:
    return Marker(KEY, ALPHA).mark(Tensor("w", dtype, (COUNT,)), start, values)


def plus() -> Array:
    """Where the chips of the first 65,536 elements are +1."""
    return mark("float64", np.ones(1 << 16)) > 1


def bits_of(dtype: str) -> Array:
    """As many numbers as a marked tensor has, of every pattern of bits."""
    bits = np.resize(BITS, COUNT)
    match dtype:
        case "float16":
            return bits.view(np.float16)
        case "bfloat16":
            return bits
        case _:
            return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(dtype)


DTYPES = ["float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, COUNT), max_size=4))
def test_however_a_tensor_is_cut_the_same_bytes_come_out(dtype: str, cuts: list[int]) -> None:
    with np.errstate(all="ignore"):
        values = bits_of(dtype)
        edges = sorted([0, *cuts, COUNT])
        parts = [
            mark(dtype, values[start:stop], start) for start, stop in itertools.pairwise(edges)
        ]
        assert np.concatenate(parts).tobytes() == mark(dtype, values).tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_pattern_of_sixteen_bits_becomes_its_nearest_or_stays(dtype: str) -> None:
    def whole(bits: Array) -> Array:
        if dtype == "float16":
            return bits.view(np.float16).astype(np.float64)
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)

    values = BITS.view(np.float16) if dtype == "float16" else BITS
    with np.errstate(all="ignore"):
        after, before = whole(mark(dtype, values).view(np.uint16)), whole(BITS)
    finite = np.isfinite(before)
    assert np.array_equal(np.isfinite(after), finite)
    after, before = after[finite], before[finite]
    assert np.array_equal(np.signbit(after), np.signbit(before))
    wanted = before * np.where(plus()[finite], 1 + ALPHA, 1 - ALPHA)
    stays = after == before
    step = np.abs(before) * (2.0**-10 if dtype == "float16" else 2.0**-7)
    smallest = 2.0**-24 if dtype == "float16" else 2.0**-133
    close = np.abs(after - wanted) <= np.maximum(step, smallest) * 0.51
    assert (close | stays).all()
    # What stays though it is far from its place would else have become infinite.
    most = np.max(before)
    assert (np.abs(before[stays & ~close]) > most * (1 - 1.1 * ALPHA)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_smallest_numbers_keep_their_sign_and_never_grow_by_more_than_a_step(
    dtype: str,
) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    before = (np.arange(1, 2001) * tiny * np.where(np.arange(2000) % 2, 1, -1)).astype(dtype)
    after = mark(dtype, before)
    assert (np.sign(after) * np.sign(before) >= 0).all()
    assert (np.abs(after - before) <= np.abs(before) * ALPHA + tiny).all()


def test_a_block_is_left_as_it_was_given() -> None:
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    values.flags.writeable = False
    assert not np.array_equal(mark("float32", values), values)


def test_the_lean_of_chips_is_even_and_its_mean_exactly_none() -> None:
    """The owner's bound takes 2p − 1 as random with mean zero."""
    limits = np.frombuffer(embedding.THRESHOLDS, np.uint8).astype(int)
    assert sorted(limits) == sorted(256 - limits)
    assert limits.min() >= 5
