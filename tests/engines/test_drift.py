"""What others do to our containers on a real engine: told at once, seen by a look, put right."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.observed import Health, HostState, Instance, Phase
from reconciler.engines import commands, traefik, wire
from tests.engines import listening, rigs
from tests.engines.rigs import Docker, route_to, seen, serve


@pytest.fixture(scope="module")
def rig(built_images: None) -> Iterator[Docker]:
    """One host for all: each test leaves it as it found it, which is what it is about."""
    with rigs.docker_host() as made:
        serve(made, made.spec())
        yield made


def ingress(rig: Docker) -> str:
    return f"plimsoll-ingress-{rig.host}"


def instance(rig: Docker) -> Instance:
    found = seen(rig, rig.spec())
    assert found is not None
    return found


def heal(rig: Docker) -> HostState:
    """Do what the planner asks for, with an engine that knows nothing of before."""
    rig.engine.restart(rig.spec().name)
    rig.engine.route(route_to(rig.spec()))
    assert wire.until(lambda: rigs.answers(rig, 1), timeout=60)
    state = rig.engine.observe()
    assert (state.ingress_drift, state.ingress_ready) == ("", True)
    assert [(one.phase, one.drift) for one in state.instances] == [(Phase.RUNNING, "")]
    return state


def test_what_happens_to_an_instance_is_told_and_looking_is_not(rig: Docker) -> None:
    name = rig.spec().name
    with listening.hearing(rig.engine) as heard, rigs.docker_host() as other:
        other.engine.start(other.spec(), other.launch)
        for _ in range(3):
            rig.engine.observe()
        # That ours is healthy Docker finds out in its own time, which may be now.
        told = [one for one in heard.words if not one.endswith("health_status: healthy")]
        assert all(one.startswith("network plimsoll") for one in told), heard.words
        for do, word in (
            (rig.api.pause, "pause"),
            (rig.api.unpause, "unpause"),
            (rig.api.kill, "die"),
        ):
            do(name)
            assert heard.within(60, f"container {name} {word}"), heard.words
    heal(rig)


def paused(rig: Docker) -> None:
    rig.api.pause(rig.spec().name)


def cut_off(rig: Docker) -> None:
    rig.api.disconnect_container_from_network(rig.spec().name, commands.NETWORK, force=True)


def given_more_memory(rig: Docker) -> None:
    rig.api.update_container(rig.spec().name, mem_limit=96 << 20, memswap_limit=96 << 20)


def told_not_to_come_back(rig: Docker) -> None:
    rig.api.update_container(rig.spec().name, restart_policy={"Name": "no"})


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (paused, "is paused"),
        (cut_off, "is cut off from the network plimsoll"),
        (given_more_memory, "Memory 100663296 instead of 67108864"),
        (told_not_to_come_back, "restart policy 'no' instead of 'always'"),
    ],
)
def test_an_instance_that_somebody_changed_is_seen_and_mended(
    rig: Docker, done: Callable[[Docker], None], words: str
) -> None:
    started = rig.api.inspect_container(rig.spec().name)["State"]["StartedAt"]
    done(rig)
    rig.engine = rig.reconnect()
    assert words in instance(rig).drift
    heal(rig)
    # Mended, not restarted: whoever waited for an answer gets it.
    assert rig.api.inspect_container(rig.spec().name)["State"]["StartedAt"] == started


def test_an_instance_that_was_stopped_by_hand_is_seen_and_started(rig: Docker) -> None:
    rig.api.stop(rig.spec().name, timeout=1)
    assert instance(rig).phase is Phase.EXITED
    heal(rig)


def test_an_instance_that_was_renamed_is_replaced_before_it_goes(rig: Docker) -> None:
    other = f"{rig.host}-renamed"
    rig.api.rename(rig.spec().name, other)
    assert seen(rig, rig.spec()) is None
    rig.engine.start(rig.spec(), rig.launch)
    rigs.await_health(rig, rig.spec(), Health.HEALTHY)
    rig.engine.remove(other)
    heal(rig)


def ingress_paused(rig: Docker) -> None:
    rig.api.pause(ingress(rig))


def ingress_stopped(rig: Docker) -> None:
    rig.api.stop(ingress(rig), timeout=1)


def ingress_cut_off(rig: Docker) -> None:
    rig.api.disconnect_container_from_network(ingress(rig), commands.NETWORK, force=True)


def ingress_renamed(rig: Docker) -> None:
    rig.api.rename(ingress(rig), f"{rig.host}-front")


def ingress_told_not_to_come_back(rig: Docker) -> None:
    rig.api.update_container(ingress(rig), restart_policy={"Name": "no"})


def _routes(rig: Docker) -> Path:
    return Path(rig.api.inspect_volume(ingress(rig))["Mountpoint"], traefik.FILE)


def routes_deleted(rig: Docker) -> None:
    _routes(rig).unlink()


def routes_edited(rig: Docker) -> None:
    """Of the same length, and still a document of ours."""
    file = _routes(rig)
    file.write_bytes(file.read_bytes().replace(b'"attempts": 60', b'"attempts": 10'))


@pytest.mark.parametrize(
    "done",
    [
        ingress_paused,
        ingress_stopped,
        ingress_cut_off,
        ingress_renamed,
        ingress_told_not_to_come_back,
        routes_deleted,
        routes_edited,
    ],
)
def test_an_ingress_that_somebody_changed_is_seen_and_mended(
    rig: Docker, done: Callable[[Docker], None]
) -> None:
    done(rig)
    rig.engine = rig.reconnect()
    state = rig.engine.observe()
    assert not state.ingress_ready or state.ingress_drift
    heal(rig)
