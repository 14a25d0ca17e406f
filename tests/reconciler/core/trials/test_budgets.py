"""Budgets of latency and memory, on numbers whose percentiles are known."""

import pytest

from reconciler.core.kinds.trials import Latency, MemoryBudget
from reconciler.core.trials import budgets
from reconciler.core.trials.budgets import Timing

HUNDRED = tuple(place / 1000 for place in range(100, 0, -1))


def bounds(**said: float) -> Latency:
    return Latency.model_validate({"requests": 100, **said})


def test_a_percentile_is_a_request_that_was_seen() -> None:
    timing = Timing(HUNDRED, 10.0, 1)
    assert [timing.milliseconds(percent) for percent in (50, 95, 99)] == [50.0, 95.0, 99.0]
    assert Timing((0.004,), 1.0, 1).milliseconds(99) == 4.0


def test_a_candidate_at_its_budget_is_within_it() -> None:
    spec = bounds(p50Milliseconds=50, p95Milliseconds=95, p99Milliseconds=99, requestsPerSecond=10)
    assert budgets.latency(spec, Timing(HUNDRED, 10.0, 1)) == ()


def test_each_bound_that_is_missed_is_told_with_both_numbers() -> None:
    spec = bounds(p50Milliseconds=49, p95Milliseconds=95, p99Milliseconds=98, requestsPerSecond=20)
    assert budgets.latency(spec, Timing(HUNDRED, 10.0, 4)) == (
        "p50 latency 50.0 ms is over the budget of 49 ms with 4 clients",
        "p99 latency 99.0 ms is over the budget of 98 ms with 4 clients",
        "10.0 requests a second with 4 clients are below the minimum of 20",
    )


def test_too_few_answers_are_no_percentile() -> None:
    [reason] = budgets.latency(bounds(p95Milliseconds=1000), Timing(HUNDRED[:30], 60.0, 1))
    assert reason.startswith("30 of 100 requests were answered in 60 s, which is too slow")


def test_what_a_busy_host_missed_may_be_measured_again() -> None:
    spec = bounds(p95Milliseconds=95)
    calm, busy = Timing(HUNDRED, 10.0, 1), Timing(tuple(2 * s for s in HUNDRED), 20.0, 1)
    assert budgets.better(busy, calm, spec) is calm
    assert budgets.better(calm, busy, spec) is calm
    assert calm.document()["p95Milliseconds"] == 95.0


def test_the_peak_is_the_highest_that_was_seen() -> None:
    spec = MemoryBudget.model_validate({"peak": "100Mi"})
    assert budgets.memory(spec, [90 << 20, 100 << 20, 80 << 20]) == ()
    assert budgets.memory(spec, [90 << 20, 101 << 20]) == (
        "memory peaked at 101.0 MiB, 1.0 MiB over the budget of 100Mi",
    )


def test_memory_that_nobody_could_read_is_not_within_a_budget() -> None:
    [reason] = budgets.memory(MemoryBudget.model_validate({"peak": "100Mi"}), [])
    assert "its peak is not known" in reason


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "there is no bound"),
        ({"p99Milliseconds": 9, "requests": 99}, "none is the slowest"),
        ({"p50Milliseconds": 9, "p99Milliseconds": 8}, "a higher percentile has a lower bound"),
    ],
)
def test_a_budget_that_says_nothing_or_nonsense_is_refused(said: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Latency.model_validate(said)
