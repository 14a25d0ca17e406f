"""PSI, Kolmogorov-Smirnov and chi-squared on counts, against scipy and against chance."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from reconciler.core import drifting

RNG = np.random.default_rng


def binned(values: Any, edges: Any) -> list[float]:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    return [float(count) for count in counts]


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 40, 255])
def test_the_tail_of_chi_squared_is_scipys(freedom: int) -> None:
    for share in (1e-12, 1e-6, 0.001, 0.05, 0.5, 0.95, 1 - 1e-9):
        statistic = float(stats.chi2.isf(share, freedom))
        assert drifting.chi2_survival(statistic, freedom) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_pearsons_test_is_scipys_where_all_bins_are_full(seed: int) -> None:
    numbers = RNG(seed)
    seen, reference = (numbers.multinomial(900, [0.1, 0.2, 0.3, 0.4]) for _ in "ab")
    wanted = stats.chi2_contingency([seen, reference], correction=False)
    strength, p_value = drifting.chi2([*seen], [*reference])
    assert p_value == pytest.approx(wanted.pvalue, rel=1e-9)
    assert strength == pytest.approx(math.sqrt(wanted.statistic / 1800))


def test_bins_where_few_are_expected_count_as_one() -> None:
    seen, reference = [500, 480, 1, 0, 5], [490, 500, 0, 2, 4]
    pooled = stats.chi2_contingency([[500, 480, 6], [490, 500, 6]], correction=False)
    assert drifting.chi2(seen, reference)[1] == pytest.approx(pooled.pvalue)
    assert drifting.chi2([7, 0], [9, 0]) == (0.0, 1.0)


@pytest.mark.parametrize(("n", "m", "moved"), [(300, 500, 0.0), (300, 500, 0.15), (80, 2000, 0.3)])
def test_kolmogorov_smirnov_is_scipys_where_bins_hide_nothing(n: int, m: int, moved: float) -> None:
    numbers = RNG(n)
    mine, theirs = numbers.normal(moved, 1, n), numbers.normal(0, 1, m)
    edges = np.sort(np.concatenate([mine, theirs]))
    wanted = stats.ks_2samp(mine, theirs, method="exact")
    distance, p_value = drifting.ks(binned(mine, edges), binned(theirs, edges))
    assert distance == pytest.approx(wanted.statistic)
    assert p_value == pytest.approx(wanted.pvalue, abs=0.02)


def test_psi_is_the_symmetric_divergence_of_the_shares() -> None:
    seen, reference = [3_000_000.0, 7_000_000.0], [5_000_000.0, 5_000_000.0]
    wanted = stats.entropy([0.3, 0.7], [0.5, 0.5]) + stats.entropy([0.5, 0.5], [0.3, 0.7])
    assert drifting.psi(seen, reference) == pytest.approx(wanted, rel=1e-5)
    assert drifting.psi(reference, reference) == 0.0
    assert 5 < drifting.psi([0, 100], [100, 0]) < 20


def test_without_drift_false_alarms_are_as_few_as_stated() -> None:
    """1,000 quiet days: each p-value below 5 % in about 5 % of them at most, and the index about
    where (bins - 1) * (1/n + 1/m) says."""
    numbers, n, m, bins = RNG(7), 400, 1000, 10
    shares = numbers.dirichlet([5.0] * bins)
    alarms, indices, looks = {"ks": 0, "chi2": 0}, list[float](), 1000
    for _ in range(looks):
        seen, reference = [*numbers.multinomial(n, shares)], [*numbers.multinomial(m, shares)]
        alarms["ks"] += drifting.ks(seen, reference)[1] < 0.05
        alarms["chi2"] += drifting.chi2(seen, reference)[1] < 0.05
        indices.append(drifting.psi(seen, reference))
    # The 99.9 % bound of a binomial of 5 %.
    most = stats.binom.isf(0.001, looks, 0.05)
    assert alarms["ks"] <= most
    assert stats.binom.ppf(0.001, looks, 0.05) <= alarms["chi2"] <= most
    assert np.mean(indices) == pytest.approx((bins - 1) * (1 / n + 1 / m), rel=0.1)
    assert not [index for index in indices if index > 0.1]


def test_a_shift_of_half_a_deviation_is_found_by_all_three() -> None:
    numbers = RNG(3)
    edges = np.quantile(numbers.normal(0, 1, 5000), np.linspace(0.1, 0.9, 9))
    reference = binned(numbers.normal(0, 1, 1000), edges)
    for _ in range(50):
        seen = binned(numbers.normal(0.5, 1, 400), edges)
        assert drifting.psi(seen, reference) > 0.1
        assert drifting.ks(seen, reference)[1] < 0.001
        assert drifting.chi2(seen, reference)[1] < 0.001
