"""A clock that was set back: nothing waits for it to catch up."""

from hypothesis import given

from reconciler.core import rollout, setback
from tests.reconciler.core.test_rollout import rollouts, times


@given(rollouts, times)
def test_nothing_is_waited_for_from_a_time_that_has_not_come_yet(
    known: dict[str, rollout.Rollout], now: float
) -> None:
    back = setback.not_ahead(known, now)
    assert setback.not_ahead(back, now) == back
    for one in back.values():
        assert all(each.failure is None or each.failure.at <= now for each in one.quarantined)
        for facts in one.hosts.values():
            assert all(each.at <= now for each in (*facts.restarts, *facts.failures))
            assert facts.preflight is None or facts.preflight.at <= now
            at = facts.candidate
            assert at is None or max(at.since, at.seen_at, at.routed_at or 0.0) <= now


@given(rollouts)
def test_what_is_remembered_of_the_past_stays_as_it_was(known: dict[str, rollout.Rollout]) -> None:
    assert setback.not_ahead(known, 1e10) == known
