"""A fleet that flaps sends a few dozen mails a day, and a quiet one is told of at once."""

import math
from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from registry.core import pacing


def mails(changes: Iterable[float], first: float = 60.0) -> list[float]:
    """When mails go out for changes at these seconds."""
    sent: list[float] = []
    pause, free = 0.0, 0.0
    for at in sorted(changes):
        if sent and at <= sent[-1]:
            continue  # told in that mail already
        moment = max(at, free)
        quiet = moment - sent[-1] if sent else math.inf
        pause = pacing.next_pause(first, pause, quiet)
        sent.append(moment)
        free = moment + pause
    return sent


def test_the_first_change_is_told_at_once_and_a_flap_in_growing_pauses() -> None:
    sent = mails(range(3 * 3600))
    gaps = [after - before for before, after in pairwise(sent)]
    assert sent[0] == 0
    assert gaps[:7] == [60, 120, 240, 480, 960, 1920, 1920]


def test_a_day_of_a_change_each_second_is_about_fifty_mails() -> None:
    assert len(mails(range(24 * 3600))) == 51


def test_after_a_quiet_while_the_next_change_is_told_at_once_again() -> None:
    flap, later = range(600), [600 + 2 * 3600, 600 + 2 * 3600 + 1]
    sent = mails([*flap, *later])
    assert sent[-2:] == [later[0], later[0] + 60]


@given(st.lists(st.floats(0, 10**5), min_size=1, max_size=200), st.floats(1, 600))
def test_every_change_is_told_within_the_longest_pause(changes: list[float], first: float) -> None:
    sent = mails(changes, first)
    for change in changes:
        told = min(at for at in sent if at >= change)
        assert told - change <= first * 32
    assert all(b - a >= first * 0.999 for a, b in pairwise(sent))
