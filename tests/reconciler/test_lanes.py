"""Hosts side by side: one that hangs, one that breaks, one that is well."""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from reconciler import lanes
from reconciler.core import kinds
from reconciler.core.observed import Health, HostState, Instance, Phase, Unreachable
from reconciler.engines.protocol import Endpoint
from registry import errors
from registry.core import documents
from tests.engines.test_swarm_values import SPEC
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import HOST


class Hanging(SimulatedEngine):
    """Does not answer before `free` is set."""

    free = threading.Event()

    def observe(self) -> HostState:
        self.free.wait(30)
        return super().observe()


def declared(name: str) -> kinds.Host:
    document = documents.read(f"models.d/hosts/{name}.yaml", HOST.format(name=name).encode())
    assert isinstance(document, documents.Document)
    host = kinds.read(document)
    assert isinstance(host, kinds.Host)
    return host


@pytest.fixture
def engines() -> dict[str, SimulatedEngine]:
    return {"well": SimulatedEngine("well"), "hangs": Hanging("hangs")}


@pytest.fixture
def fleet(engines: dict[str, SimulatedEngine]) -> Iterator[lanes.Lanes]:
    made = lanes.Lanes(lambda name, _: engines[name])
    made.follow({name: declared(name) for name in engines})
    Hanging.free.clear()
    yield made
    Hanging.free.set()
    made.close()


def test_a_host_that_hangs_is_waited_for_once_and_then_never(fleet: lanes.Lanes) -> None:
    look_until_well(fleet)
    for _ in range(20):
        seen = fleet.look(timeout_s=600)  # had it waited, the host would have answered
        assert isinstance(seen["well"], HostState)
        assert isinstance(seen["hangs"], Unreachable)
    Hanging.free.set()
    look_until(fleet, lambda seen: isinstance(seen["hangs"], HostState))


def look_until_well(fleet: lanes.Lanes) -> None:
    """Until the host that is well was seen; a look waits for the other one only once."""
    look_until(fleet, lambda seen: isinstance(seen["well"], HostState))


def look_until(fleet: lanes.Lanes, holds: Callable[[dict[str, lanes.Look]], bool]) -> None:
    end = time.monotonic() + 60
    while not holds(seen := fleet.look(timeout_s=0.5)):
        assert time.monotonic() < end, seen
        time.sleep(0.01)


def await_actions(fleet: lanes.Lanes) -> None:
    end = time.monotonic() + 60
    while fleet.busy():
        assert time.monotonic() < end, fleet.busy()
        time.sleep(0.01)


class Halfway(SimulatedEngine):
    """Runs one replica of two: whoever asks by the ingress meets the one that answers."""

    def observe(self) -> HostState:
        half = Instance.of(SPEC, Phase.RUNNING, Health.STARTING, detail="1 of 2 replicas run")
        return HostState("well", (dataclasses.replace(half, missing=1),), (), ingress_ready=True)

    def preview(self, instance: str) -> Endpoint:
        raise AssertionError(f"{instance} was asked, and would have said that all is well")


def test_an_instance_that_lacks_replicas_is_not_healthy_because_one_of_them_answers() -> None:
    made = lanes.Lanes(lambda _name, _kind: Halfway("well"))
    made.follow({"well": declared("well")})
    seen = made.look(timeout_s=60)["well"]
    made.close()
    assert isinstance(seen, HostState)
    [found] = seen.instances
    assert (found.health, found.detail) == (Health.STARTING, "1 of 2 replicas run")


def test_a_busy_host_shows_its_last_state_and_gets_no_second_job(
    fleet: lanes.Lanes, engines: dict[str, SimulatedEngine]
) -> None:
    look_until_well(fleet)
    done, jobs = threading.Event(), list[str]()

    def job() -> None:
        jobs.append("first")
        done.wait(30)

    fleet.act({"well": job}, patience_s=0.1)
    engines["well"].unreachable = "it would say so if it were asked"
    assert isinstance(fleet.look(timeout_s=0.1)["well"], HostState)
    fleet.act({"well": lambda: jobs.append("second")}, patience_s=0.1)
    done.set()
    look_until(fleet, lambda seen: isinstance(seen["well"], Unreachable))
    assert jobs == ["first"]


def test_what_is_made_of_how_a_busy_host_was_before_is_not_done(fleet: lanes.Lanes) -> None:
    look_until_well(fleet)
    done, jobs = threading.Event(), list[str]()
    fleet.act({"well": lambda: done.wait(30) and jobs.append("first")}, patience_s=0.05)
    fleet.look(timeout_s=0.1)
    done.set()
    await_actions(fleet)
    fleet.act({"well": lambda: jobs.append("of before")}, patience_s=1)
    fleet.look(timeout_s=60)
    fleet.act({"well": lambda: jobs.append("of now")}, patience_s=60)
    assert jobs == ["first", "of now"]


def test_a_host_that_gets_free_is_not_kept_waiting_by_one_that_is_slow(
    fleet: lanes.Lanes,
) -> None:
    first, slow, ended = threading.Event(), threading.Event(), list[str]()

    def job() -> None:
        slow.wait(30)
        ended.append("slow")

    look_until_well(fleet)
    fleet.act({"well": lambda: first.wait(30) and None}, patience_s=0.05)
    fleet.look(timeout_s=0.1)
    threading.Timer(0.1, first.set).start()
    fleet.act({"well": lambda: None, "hangs": job}, patience_s=600)
    assert first.is_set()
    assert ended == []  # had it been waited for, it were over
    slow.set()


def test_who_closes_waits_for_what_still_changes_a_host(fleet: lanes.Lanes) -> None:
    """Others may act there as soon as the leases are given back, which comes next."""
    begun, closing, jobs = threading.Event(), threading.Event(), list[str]()

    def job() -> None:
        begun.set()
        closing.wait(30)
        time.sleep(0.1)
        jobs.append("done")

    fleet.act({"well": job}, patience_s=0.05)
    assert begun.wait(60)  # what has not begun yet is let go of
    closing.set()
    fleet.close()
    assert jobs == ["done"]


def test_who_closes_does_not_wait_for_what_never_began(fleet: lanes.Lanes) -> None:
    """It was to come after a look at a host that hangs, and is over without anybody's saying so."""
    jobs = list[str]()
    fleet.look(timeout_s=0.05)
    fleet.act({"hangs": lambda: jobs.append("done")}, patience_s=0.05)
    assert fleet._lanes["hangs"].wind_up() is None
    assert jobs == []


def test_a_defect_in_slow_work_is_not_swallowed(fleet: lanes.Lanes) -> None:
    started = threading.Event()

    def job() -> None:
        started.wait(30)
        raise ZeroDivisionError

    fleet.act({"well": job}, patience_s=0.05)
    started.set()
    await_actions(fleet)
    with pytest.raises(ZeroDivisionError):
        fleet.look(timeout_s=60)


def test_a_host_whose_address_is_bad_is_unreachable_and_says_why(
    engines: dict[str, SimulatedEngine],
) -> None:
    def connect(name: str, _: kinds.Host) -> SimulatedEngine:
        raise errors.InvalidConfig(f"{name} has no address")

    fleet = lanes.Lanes(connect)
    fleet.follow({"well": declared("well")})
    assert fleet.look(timeout_s=1) == {"well": Unreachable("well", "well has no address")}


def test_a_host_that_left_git_is_let_go(fleet: lanes.Lanes) -> None:
    fleet.follow({"well": declared("well")})
    assert list(fleet.look(timeout_s=1)) == ["well"]


class Counting(SimulatedEngine):
    """`looked` is how often it was looked at."""

    looked = 0

    def observe(self) -> HostState:
        self.looked += 1
        return super().observe()


def test_of_many_hosts_only_those_are_looked_at_again_on_which_something_happens() -> None:
    many = {f"h{number}": Counting(f"h{number}") for number in range(120)}
    spec = dataclasses.replace(SPEC, host="h7")
    many["h7"].instances[spec.name] = Instance.of(spec, Phase.RUNNING, Health.HEALTHY)
    woken, now = threading.Semaphore(0), [0.0]
    made = lanes.Lanes(lambda name, _: many[name], clock=lambda: now[0])
    try:
        made.watch(woken.release)
        made.follow({name: declared(name) for name in many})
        for _ in many:
            assert woken.acquire(timeout=60)
        before = made.look(timeout_s=60)
        assert made.look(timeout_s=60) == before
        assert {engine.looked for engine in many.values()} == {1}
        many["h7"].kill(spec.name)
        assert woken.acquire(timeout=60)
        after = made.look(timeout_s=60)
        assert after.pop("h7") != before.pop("h7")
        assert all(after[name] is before[name] for name in before)
        assert [name for name, engine in many.items() if engine.looked > 1] == ["h7"]
        made.act({"h3": lambda: None}, patience_s=60)
        made.look(timeout_s=60)
        assert many["h3"].looked == 2
        now[0] = 10.0
        made.look(timeout_s=60)
        assert min(engine.looked for engine in many.values()) == 2
    finally:
        made.close()
