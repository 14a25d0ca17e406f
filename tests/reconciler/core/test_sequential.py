"""The sequential test: its false alarms, proven by simulation, and what it finds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core import sequential
from reconciler.core.sequential import Arm, Evidence

LOOKS = 40


def looked(
    rng: np.random.Generator, rates: tuple[float, float], sizes: tuple[int, int]
) -> tuple[bool, bool]:
    """Whether the test, and a z-test at 5 % that is looked at as often, ever raise the alarm."""
    seen, naive = Evidence(), False
    for _ in range(LOOKS):
        blocks = [
            Arm(int(rng.binomial(size, rate)), size)
            for size, rate in zip(sizes, rates, strict=True)
        ]
        seen = sequential.after(seen, *blocks)
        naive = naive or z_score(seen.candidate, seen.stable) > 1.645
    return seen.p_value <= 0.05, naive


def z_score(one: Arm, two: Arm) -> float:
    pooled = (one.errors + two.errors) / (one.requests + two.requests)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / one.requests + 1 / two.requests))
    return (one.errors / one.requests - two.errors / two.requests) / spread if spread else 0.0


@pytest.mark.parametrize(
    ("rate", "sizes"),
    [(0.02, (50, 50)), (0.02, (50, 450)), (0.001, (500, 500)), (0.3, (50, 50)), (0.9, (5, 20))],
)
def test_forty_looks_raise_no_more_false_alarms_than_one(
    rate: float, sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(7)
    ours, naive = zip(*(looked(rng, (rate, rate), sizes) for _ in range(400)), strict=True)
    assert sum(ours) / 400 <= 0.05
    assert sum(naive) / 400 > 0.12


def test_a_better_candidate_raises_no_alarm_either() -> None:
    rng = np.random.default_rng(7)
    assert sum(looked(rng, (0.01, 0.03), (100, 100))[0] for _ in range(200)) <= 2


@pytest.mark.parametrize(
    ("rates", "sizes"), [((0.03, 0.01), (100, 100)), ((0.1, 0.01), (50, 450)), ((1, 0), (5, 45))]
)
def test_a_worse_candidate_is_found(rates: tuple[float, float], sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    assert sum(looked(rng, rates, sizes)[0] for _ in range(100)) >= 95


ARMS = st.tuples(st.integers(0, 300), st.integers(0, 300)).map(
    lambda pair: Arm(min(pair), max(pair))
)


@given(st.lists(st.tuples(ARMS, ARMS), max_size=20))
def test_evidence_never_shrinks_and_is_remembered(blocks: list[tuple[Arm, Arm]]) -> None:
    seen, before = Evidence(), 1.0
    for one, two in blocks:
        seen = sequential.after(seen, one, two)
        assert 0 <= seen.p_value <= before
        before = seen.p_value
    assert sequential.read(seen.document()) == seen


@given(ARMS, ARMS, st.integers(1, 20), st.integers(1, 20), st.floats(0.001, 0.999))
def test_no_common_rate_makes_a_block_weigh_more_than_one_on_average(
    candidate: Arm, stable: Arm, ours: int, theirs: int, rate: float
) -> None:
    """The theorem that all rests on, with every outcome of a block counted out."""
    seen = Evidence(candidate, stable)

    def chance(errors: int, requests: int) -> float:
        many = math.comb(requests, errors)
        return many * rate**errors * (1 - rate) ** (requests - errors)

    expected = sum(
        chance(a, ours)
        * chance(b, theirs)
        * math.exp(sequential.after(seen, Arm(a, ours), Arm(b, theirs)).now)
        for a in range(ours + 1)
        for b in range(theirs + 1)
    )
    assert expected <= 1 + 1e-9


def test_nothing_seen_says_nothing() -> None:
    assert Evidence().p_value == 1.0
    assert sequential.after(Evidence(), Arm(0, 0), Arm(0, 0)).p_value == 1.0
    assert sequential.read(None) == sequential.read({"now": "x"}) == Evidence()
