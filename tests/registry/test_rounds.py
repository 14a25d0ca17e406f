"""Work that is done again and again goes on after whatever happens to it."""

import threading

import pytest

from registry import errors
from registry.api.rounds import Rounds


@pytest.mark.parametrize("fault", [errors.Unavailable("the database is away"), KeyError("bug")])
def test_a_round_that_fails_does_not_end_the_rounds(fault: Exception) -> None:
    went_on = threading.Event()
    faults = [fault]

    def work() -> None:
        if faults:
            raise faults.pop()
        went_on.set()

    rounds = Rounds("work", work, lambda: 0.001)
    rounds.start()
    assert went_on.wait(60)
    rounds.stop()
    assert not rounds.is_alive()


def test_a_long_round_is_told_that_it_is_over() -> None:
    began = threading.Event()
    broke_off = threading.Event()

    def work() -> None:
        began.set()
        while not rounds.is_over():
            threading.Event().wait(0.001)
        broke_off.set()

    rounds = Rounds("work", work, lambda: 0.001)
    rounds.start()
    assert began.wait(60)
    rounds.stop()
    assert broke_off.is_set()
