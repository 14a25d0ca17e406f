"""The two-sample test that is looked at after every sample: its error rate, and what it finds."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.experiments.simulating import (
    Users,
    alarms,
    blocks,
    drawn,
    fixed_size,
    mismatched_after,
    sure_after,
)
from reconciler.core.experiments import evidence
from reconciler.core.experiments.evidence import Design, Evidence, Sums

TEST = Design(alpha=0.05, smallest=0.05)
SHARES = st.integers(0, 40).flatmap(
    lambda count: st.integers(0, count).map(lambda hits: Sums(count, hits, hits))
)


def false_alarms(
    design: Design, rates: tuple[float, float], part: float, *, runs: int, users: int
) -> float:
    """How often the test is ever sure that the true difference is not the true one."""
    rng, gap = np.random.default_rng(11), rates[1] - rates[0]
    found = [sure_after(design, drawn(rng, rates, users, part), gap) for _ in range(runs)]
    return sum(one is not None for one in found) / runs


@pytest.mark.parametrize(
    ("rates", "part"),
    [
        ((0.05, 0.05), 0.5),
        ((0.5, 0.5), 0.1),
        ((0.9, 0.9), 0.8),
        ((0.1, 0.3), 0.5),
        ((0.6, 0.0), 0.3),
    ],
)
def test_looking_after_every_sample_raises_no_more_false_alarms_than_its_level(
    rates: tuple[float, float], part: float
) -> None:
    assert false_alarms(Design(0.05, 0.05), rates, part, runs=150, users=500) <= 0.05


def test_rates_that_drift_together_raise_no_false_alarms() -> None:
    rng, found = np.random.default_rng(3), 0
    rate = 0.5 + 0.45 * np.sin(np.arange(1000) / 40)
    for _ in range(100):
        users = Users(rng.random(1000) < 0.5, (rng.random(1000) < rate) * 1.0)
        found += sure_after(TEST, users) is not None
    assert found / 100 <= 0.05


def test_a_difference_is_found_with_some_more_samples_than_a_test_with_one_look_needs() -> None:
    rng, fixed = np.random.default_rng(5), fixed_size((0.1, 0.15))
    # What the statsmodels package says of both variants together, at 80 % power.
    assert fixed == pytest.approx(1366, abs=10)
    after = [sure_after(TEST, drawn(rng, (0.1, 0.15), 3 * fixed)) for _ in range(60)]
    assert sum(one is not None for one in after) >= 54
    assert sum(one or 3 * fixed for one in after) / 60 < 1.7 * fixed


def test_a_large_difference_is_found_much_sooner() -> None:
    rng = np.random.default_rng(5)
    after = [sure_after(TEST, drawn(rng, (0.1, 0.3), 3000)) or 3000 for _ in range(50)]
    assert sum(after) / 50 < 400


def test_a_known_deviation_serves_for_what_has_no_bounds() -> None:
    design, rng, wrong, found = Design(0.05, 0.2, deviation=1.0), np.random.default_rng(2), 0, 0
    for _ in range(100):
        treated, noise = rng.random(1500) < 0.5, rng.normal(40, 1, 1500)
        wrong += sure_after(design, Users(treated, noise)) is not None
        found += sure_after(design, Users(treated, noise + 0.3 * treated)) is not None
    assert wrong / 100 <= 0.05
    assert found / 100 > 0.9


def test_a_mean_between_bounds_needs_fewer_samples_the_less_it_varies() -> None:
    rng, after = np.random.default_rng(6), list[list[int]]()
    for spread in (0.4, 0.1):
        rows = []
        for _ in range(30):
            treated = rng.random(3000) < 0.5
            values = 0.5 + 0.05 * treated + rng.uniform(-spread, spread, 3000)
            rows.append(sure_after(TEST, Users(treated, values)) or 3000)
        after.append(rows)
    assert sum(after[1]) < 0.5 * sum(after[0])


@settings(max_examples=25)
@given(SHARES, SHARES, st.integers(10, 16), st.integers(10, 16), st.floats(0, 1), st.floats(0, 1))
def test_no_rates_with_a_difference_make_a_block_speak_against_it_on_average(
    control: Sums, treatment: Sums, theirs: int, ours: int, low: float, high: float
) -> None:
    """What all rests on, with every outcome of a block counted out."""
    before = evidence.after(TEST, Evidence(), control, treatment)
    assume(not before.open_control.count and not before.open_treatment.count)

    def chance(hits: int, count: int, rate: float) -> float:
        return math.comb(count, hits) * rate**hits * (1 - rate) ** (count - hits)

    def weight(a: int, b: int) -> float:
        block = Sums(theirs, a, a), Sums(ours, b, b)
        return math.exp(evidence.against(TEST, evidence.after(TEST, before, *block), high - low))

    expected = sum(
        chance(a, theirs, low) * chance(b, ours, high) * weight(a, b)
        for a in range(theirs + 1)
        for b in range(ours + 1)
    )
    assert expected <= math.exp(evidence.against(TEST, before, high - low)) * (1 + 1e-9)


@settings(max_examples=30)
@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=12))
def test_the_interval_has_what_nothing_speaks_against(blocks: list[tuple[Sums, Sums]]) -> None:
    seen = Evidence()
    for one, two in blocks:
        seen = evidence.after(TEST, seen, one, two)
    found = evidence.interval(TEST, seen)
    if found is None:
        assert seen.weight == 0
        return
    assert -1 <= found[0] <= (seen.difference or 0) <= found[1] <= 1
    inside = found[0] < 0 < found[1]
    assert inside == (evidence.against(TEST, seen, 0.0) < TEST.threshold)


def test_one_by_one_or_in_blocks_is_the_same() -> None:
    rng = np.random.default_rng(1)
    treated, hits = rng.random(300) < 0.3, rng.random(300) < 0.4
    one_by_one, in_blocks = Evidence(), Evidence()
    for is_treated, hit in zip(treated, hits, strict=True):
        sample, none = Sums(1, float(hit), float(hit)), Sums()
        pair = (none, sample) if is_treated else (sample, none)
        one_by_one = evidence.after(TEST, one_by_one, *pair)
    for _, control, treatment in blocks(Users(treated, hits * 1.0)):
        in_blocks = evidence.after(TEST, in_blocks, control, treatment)
    assert one_by_one.control.count + one_by_one.treatment.count == 300
    assert in_blocks.weight > 40
    for name in ("gain", "weight", "spread", "tilt"):
        assert getattr(one_by_one, name) == pytest.approx(getattr(in_blocks, name))


def test_wrong_ratios_are_noticed_and_right_ones_are_not() -> None:
    rng, limits = np.random.default_rng(4), alarms(2000, 0.3, 0.001)

    def alarmed(part: float) -> bool:
        users = drawn(rng, (0.5, 0.5), 2000, part)
        return mismatched_after(users, limits) is not None

    assert sum(alarmed(0.3) for _ in range(400)) <= 2
    assert sum(alarmed(0.22) for _ in range(50)) >= 45
