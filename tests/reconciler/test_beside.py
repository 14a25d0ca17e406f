"""Work beside the hosts' lanes: one at a time for each name, and nobody waits for it."""

import threading
from collections.abc import Iterator

import pytest

from reconciler.beside import Beside


@pytest.fixture
def ended() -> threading.Semaphore:
    return threading.Semaphore(0)


@pytest.fixture
def aside(ended: threading.Semaphore) -> Iterator[Beside]:
    found = Beside(ended.release)
    yield found
    found.close()


def test_work_of_one_name_is_done_once_at_a_time_and_another_meanwhile(
    aside: Beside, ended: threading.Semaphore
) -> None:
    let_go = threading.Event()
    assert aside.begin("slow", lambda: let_go.wait(60) and None, group="a")
    assert not aside.begin("slow", lambda: None, group="a")
    assert aside.begin("quick", lambda: None, group="a")
    assert ended.acquire(timeout=60)
    let_go.set()
    assert ended.acquire(timeout=60)
    assert aside.begin("slow", lambda: None, group="a")


def test_a_group_that_fills_its_share_leaves_room_for_others(
    aside: Beside, ended: threading.Semaphore
) -> None:
    first, second = threading.Event(), threading.Event()

    def begun(group: str, let_go: threading.Event) -> int:
        names = [f"{group} {number}" for number in range(50)]
        return sum(
            aside.begin(name, lambda: let_go.wait(60) and None, group=group) for name in names
        )

    shares = [begun("slow", first), begun("slower", first)]
    assert shares == [8, 8]
    assert aside.begin("quick", lambda: None, group="other")
    assert ended.acquire(timeout=60)
    first.set()
    for _ in range(sum(shares)):
        assert ended.acquire(timeout=60)
    assert begun("slow", second) == 8
    second.set()


def test_a_defect_in_it_is_raised_and_not_swallowed(
    aside: Beside, ended: threading.Semaphore
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    aside.begin("broken", broken, group="a")
    assert ended.acquire(timeout=60)
    with pytest.raises(ZeroDivisionError):
        aside.begin("other", lambda: None, group="a")
    assert aside.begin("broken", lambda: None, group="a")
