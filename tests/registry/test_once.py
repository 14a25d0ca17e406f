"""What many want at once is made once; and nobody waits longer than he should."""

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pytest

from registry import errors
from registry.usecases.once import Once


def test_who_asks_at_the_same_time_gets_the_one_that_is_made() -> None:
    once, go, made = Once[str, int](patience=60), threading.Event(), list[int]()

    def make() -> int:
        go.wait(60)
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(once.get, "a", make) for _ in range(5)]
        end = time.monotonic() + 60
        while once._places._value > 3 and time.monotonic() < end:
            time.sleep(0.001)  # until all five wait
        go.set()
        found = [one.result() for one in asked]
    assert (made, found) == ([1], [1] * 5)


def test_who_does_not_want_to_wait_any_more_finds_it_made_later() -> None:
    once, go, made = Once[str, int](patience=0.01), threading.Event(), list[str]()

    def make() -> int:
        go.wait(60)
        made.append("made")
        return 1

    with pytest.raises(errors.Busy, match="goes on"):
        once.get("a", make)
    with pytest.raises(errors.Busy):
        once.get("a", make)
    go.set()
    once.close()
    assert made == ["made"]


def test_more_than_a_few_do_not_even_wait() -> None:
    once, go = Once[str, int](patience=60), threading.Event()
    began = threading.Barrier(9)

    def ask() -> int:
        began.wait(60)
        return once.get("a", lambda: int(go.wait(60)))

    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(ask) for _ in range(9)]
        refused = next(one for one in _settled(asked) if one.exception(60))
        assert isinstance(refused.exception(), errors.Busy)
        go.set()
    assert sum(one.exception() is None for one in asked) == 8


def _settled(asked: list[Future[int]]) -> list[Future[int]]:
    return list(wait(asked, return_when=FIRST_COMPLETED).done)


def test_what_fails_fails_for_all_and_is_tried_again_by_the_next() -> None:
    once, tries = Once[str, int](patience=60), list[int]()

    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise errors.Unavailable("no store")
        return 5

    with pytest.raises(errors.Unavailable, match="no store"):
        once.get("a", make)
    assert once.get("a", make) == 5


def test_what_is_made_when_the_process_ends_stops_at_its_next_look() -> None:
    once, began = Once[str, int](patience=60), threading.Event()

    def make() -> int:
        began.set()
        while True:
            once.require_going_on()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(once.get, "a", make)
        began.wait(60)
        once.close()
        assert isinstance(asked.exception(60), errors.Unavailable)
    with pytest.raises(errors.Unavailable, match="about to end"):
        once.get("b", make)
