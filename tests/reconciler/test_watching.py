"""Whoever listens to a host wakes the loop at once, and comes back when the connection ends."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler import watching
from reconciler.engines.protocol import Changes
from registry import errors
from tests.reconciler.simulated import SimulatedEngine, Told
from tests.reconciler.town import Town, town
from tests.registry.publishing import Publisher


class Heard:
    """How often the loop was woken."""

    def __init__(self) -> None:
        self._count = threading.Semaphore(0)

    def wake(self) -> None:
        self._count.release()

    def once(self) -> bool:
        return self._count.acquire(timeout=60)

    def nothing(self) -> bool:
        return not self._count.acquire(timeout=0.05)


@pytest.fixture
def heard() -> Heard:
    return Heard()


Watch = Callable[[Callable[[], Changes]], watching.Watcher]


@pytest.fixture
def watch(heard: Heard) -> Iterator[Watch]:
    opened: list[watching.Watcher] = []

    def watch(listen: Callable[[], Changes]) -> watching.Watcher:
        opened.append(watching.Watcher("edge-1", listen=listen, wake=heard.wake))
        return opened[-1]

    yield watch
    for one in opened:
        one.close()
        assert one.join(60)


def test_what_happens_wakes_the_loop_and_nothing_else_does(heard: Heard, watch: Watch) -> None:
    told = Told()
    watch(lambda: told)
    assert heard.once()  # for what happened before anybody listened
    assert heard.nothing()
    told.words.put("a container died")
    assert heard.once()
    assert heard.nothing()


def test_a_connection_that_ends_is_made_again_and_all_is_looked_at_anew(
    heard: Heard, watch: Watch
) -> None:
    connections = [Told(), Told()]
    coming = iter(connections)
    watch(lambda: next(coming))
    assert heard.once()
    connections[0].close()
    assert heard.once()  # the end itself may be the host's
    assert heard.once()  # the second connection
    connections[1].words.put("a container died")
    assert heard.once()


def test_a_host_that_is_away_is_tried_again(heard: Heard, watch: Watch) -> None:
    tries = iter([errors.EngineUnreachable("no route"), Told()])

    def listen() -> Changes:
        found = next(tries)
        if isinstance(found, Told):
            return found
        raise found

    watch(listen)
    assert heard.once()


def test_a_watcher_that_is_closed_while_it_connects_wakes_nobody(heard: Heard) -> None:
    begun, connecting, told = threading.Event(), threading.Event(), Told()

    def listen() -> Changes:
        begun.set()
        connecting.wait(60)
        return told

    one = watching.Watcher("edge-1", listen=listen, wake=heard.wake)
    assert begun.wait(60)
    one.close()
    connecting.set()
    assert one.join(60)
    assert heard.nothing()
    assert told.words.get(timeout=30) == ""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Town]:
    publisher = Publisher()
    with town(tmp_path, publisher) as made:
        made.publish(1, publisher)
        yield made


def test_a_running_loop_heals_by_what_it_hears_and_asks_git_nothing(here: Town) -> None:
    here.deploy(1)
    here.settle()
    host = here.hosts["edge-1"]
    fetched = here.loop.source.fetched_at
    stop = threading.Event()
    running = threading.Thread(target=here.loop.run, args=[stop])
    running.start()
    try:
        _until(lambda: bool(host.listeners))
        _kill(host, restarts=1)
    finally:
        stop.set()
        here.loop.notice()
        running.join(60)
    assert not running.is_alive()
    assert here.loop.source.fetched_at == fetched


def test_hosts_are_looked_after_at_the_same_pace_while_git_hangs(here: Town) -> None:
    here.deploy(1)
    here.settle()
    hanging = threading.Event()
    here.loop.source._worker.submit(hanging.wait, 30)  # as a fetch that gets no answer
    try:
        here.loop.hint()
        here.loop.tick()
        for _ in range(5):
            here.loop.source.state(patience_s=600)
        assert here.loop.source._fetching is not None  # had it been waited for, it were done
    finally:
        hanging.set()
    _until(lambda: here.loop.source._fetching is None or _fetched(here))


def _fetched(here: Town) -> bool:
    here.loop.source.state(patience_s=5)
    return here.loop.source._fetching is None


def _kill(host: SimulatedEngine, *, restarts: int) -> None:
    serving = host.serving("digits")
    assert serving is not None
    host.kill(serving.name)
    _until(lambda: host.writes.count(f"restart {serving.name}") == restarts)


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
