"""What follows from an attempt to deliver: on, again, aside, or no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core import attempts
from registry.core.attempts import Again, Answer, Dead, Delivered, Patience, Silence, Unwanted

PATIENCE = Patience(most=8, first=5, longest=3600)
failures = st.one_of(
    st.builds(Silence, st.text(max_size=20)),
    st.builds(
        Answer,
        st.integers(100, 599).filter(lambda status: not 200 <= status < 300 and status != 410),
        st.floats(0, 1e9),
    ),
)


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [
        attempts.step(Silence("x"), failed_before=n, patience=Patience(99, 5, 60), jitter=1)
        for n in range(6)
    ]
    assert [pause.wait for pause in pauses if isinstance(pause, Again)] == [5, 10, 20, 40, 60, 60]


@given(outcome=failures, failed=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_a_failure_is_tried_again_within_bounds_until_it_is_put_aside(
    outcome: attempts.Outcome, failed: int, jitter: float
) -> None:
    found = attempts.step(outcome, failed_before=failed, patience=PATIENCE, jitter=jitter)
    if failed + 1 >= PATIENCE.most:
        assert isinstance(found, Dead)
    else:
        assert isinstance(found, Again)
        assert PATIENCE.first / 2 <= found.wait <= PATIENCE.longest


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_success_is_a_delivery(status: int) -> None:
    found = attempts.step(Answer(status), failed_before=0, patience=PATIENCE, jitter=0)
    assert found == Delivered()


def test_gone_is_no_failure_but_a_wish() -> None:
    found = attempts.step(Answer(410), failed_before=7, patience=PATIENCE, jitter=0)
    assert isinstance(found, Unwanted)


def test_a_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    asked = Answer(503, wait=100)
    found = attempts.step(asked, failed_before=0, patience=PATIENCE, jitter=0)
    assert found == Again(100, "the receiver answered 503")
    greedy = Answer(429, wait=1e8)
    found = attempts.step(greedy, failed_before=0, patience=PATIENCE, jitter=0)
    assert found == Again(3600, "the receiver answered 429")
