"""Agents on hosts of their own beside a reconciler, over one real registry and one Git."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler import agent as agents
from reconciler import config, owning, remotes
from registry import errors
from registry.core.entries import Kind
from tests.reconciler.agents import OWN, agent, configured, run
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.registry.publishing import Publisher


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def here(tmp_path: Path, publisher: Publisher) -> Iterator[Town]:
    """A registry, two hosts of which edge-2 is its agent's own, a repository."""
    with patch.object(owning, "SETTLE_S", 0.0), town(tmp_path, publisher) as made:
        made.origin.commit({"models.d/hosts/edge-2.yaml": OWN})
        for version in (1, 2):
            made.publish(version, publisher)
        yield made


def deploy(here: Town, version: int, hosts: str = "[edge-1, edge-2]") -> str:
    text = manifest(version, here.digests[version], hosts=hosts)
    return here.origin.commit({DEPLOYMENT: text}, f"Serve version {version}")


def test_each_host_is_acted_on_by_its_own_master_alone(here: Town) -> None:
    deploy(here, 1)
    fleet, own = here.hosts["edge-1"], here.hosts["edge-2"]
    mine = SimulatedEngine("edge-2")
    with agent(configured(here), mine) as loop:
        run(here.loop, loop)
    assert own.writes == []
    assert [len(fleet.writes), len(mine.writes)] == [2, 2]
    assert mine.serving("digits") is not None
    told = {(entry.kind, entry.actor, entry.host) for entry in here.log()}
    assert (Kind.DEPLOYED, "agent:edge-2", "edge-2") in told
    assert (Kind.DEPLOYED, "reconciler:reconciler", "edge-1") in told
    assert (Kind.HOST_CLAIMED, "agent:edge-2", "edge-2") in told


def test_a_reconciler_shows_what_an_agent_told_last(here: Town) -> None:
    deploy(here, 1)
    with agent(configured(here), SimulatedEngine("edge-2")) as loop:
        run(here.loop, loop)
    row = shown(here)
    assert (row["sync"], row["health"], row["managedBy"]) == ("Synced", "Healthy", "agent")
    assert row["reportedAt"]
    assert here.status()["sync"] == {"status": "Synced", "reason": ""}
    deploy(here, 2)
    row = shown(here)
    assert (row["sync"], here.status()["desired"]["version"]) == ("OutOfSync", 2)  # type: ignore[index]
    assert "its agent is at commit" in row["reason"]


def test_an_agent_comes_back_offline_with_what_was_verified_and_nothing_else(here: Town) -> None:
    """Power-off, reboot, and neither Git nor registry anywhere: what is on disk is enough."""
    deploy(here, 1)
    machine, engine = configured(here), SimulatedEngine("edge-2")
    with agent(machine, engine) as loop:
        run(loop)
        deploy(here, 2)
        here.server.stop()
        run(loop, rounds=4)
        assert serving(engine) == 1, "version 2 was never verified"
        repository = Path(here.origin.url)
        repository.rename(repository.with_name("away"))
        engine.stop_ingress()
        run(loop, rounds=4)
        assert serving(engine) == 1
    engine.kill(served(engine))
    with agent(machine, engine) as loop:
        run(loop, rounds=6)
        assert serving(engine) == 1
        assert not [line for line in engine.writes if "remove" in line]
        assert loop.metrics.registry.get_sample_value("plimsoll_agent_offline_too_long") == 0
        with patch.object(loop.statuses, "_patience_s", 0.001):
            run(loop, rounds=1)
        assert loop.metrics.registry.get_sample_value("plimsoll_agent_offline_too_long") == 1


def test_history_that_was_rewritten_changes_nothing(here: Town) -> None:
    deploy(here, 1)
    before = deploy(here, 2)
    machine, engine = configured(here), SimulatedEngine("edge-2")
    with agent(machine, engine) as loop:
        run(loop)
        assert serving(engine) == 2
        here.origin.git("reset", "--quiet", "--hard", "HEAD~1")
        here.origin.git("push", "--quiet", "--force", "origin", "main")
        run(loop, rounds=4)
        assert serving(engine) == 2
        told = here.registry.get("/v1/agents").json()["agents"][0]["document"]
        assert told["commit"] == before
        assert told["refused"]
        found = "\n".join(owning.told(machine / "agent"))
        assert "host      is its own" in found
        assert f"refused: {told['refused']}" in found


def test_a_host_changes_hands_once_its_agent_has_let_go(here: Town) -> None:
    deploy(here, 1)
    machine, mine, theirs = configured(here), SimulatedEngine("edge-2"), here.hosts["edge-2"]
    with agent(machine, mine) as loop:
        run(loop, here.loop)
    beside(here).agents.look()
    here.origin.commit({"models.d/hosts/edge-2.yaml": OWN.replace("  managedBy: agent\n", "")})
    run(here.loop, rounds=6)
    assert theirs.writes == [], "its agent has not seen the commit"
    with pytest.raises(errors.Conflict, match="looked after by its agent"):
        beside(here).require("edge-2")
    written = len(mine.writes)
    with agent(machine, mine) as loop:
        run(loop, rounds=6)
        beside(here).agents.look()
        run(loop, here.loop, rounds=8)
    assert len(mine.writes) == written
    assert serving(theirs) == 1
    here.origin.commit({"models.d/hosts/edge-2.yaml": OWN})
    with agent(machine, mine) as loop:
        run(loop, here.loop, rounds=6)
        beside(here).agents.look()
        deploy(here, 2)
        run(loop, here.loop)
    assert (serving(mine), serving(theirs)) == (2, 1)


def test_a_second_machine_of_the_same_name_acts_on_nothing(here: Town) -> None:
    deploy(here, 1)
    first, second = SimulatedEngine("edge-2"), SimulatedEngine("edge-2")
    with agent(configured(here), first) as loop:
        run(loop)
    with agent(configured(here, name="clone"), second) as loop:
        run(loop, rounds=6)
        assert second.writes == []
        reason = {"reason": "the first one burnt"}
        here.registry.delete("/v1/agents/edge-2", params=reason).raise_for_status()
        run(loop)
        assert serving(second) == 1


def test_an_agent_that_was_let_go_acts_no_more_until_git_says_so_again(here: Town) -> None:
    deploy(here, 1)
    engine = SimulatedEngine("edge-2")
    with agent(configured(here), engine) as loop:
        run(loop)
        repository = Path(here.origin.url)
        repository.rename(repository.with_name("away"))
        here.registry.delete("/v1/agents/edge-2", params={"reason": "sold"}).raise_for_status()
        with patch.object(agents, "_TELL_EVERY_S", 0.0):
            run(loop, rounds=3)
        engine.kill(served(engine))
        run(loop, rounds=3)
        assert serving(engine) is None
        repository.with_name("away").rename(repository)
        run(loop, rounds=6)
        assert serving(engine) == 1


def test_a_host_that_was_just_given_is_not_touched_yet(here: Town) -> None:
    deploy(here, 1)
    engine = SimulatedEngine("edge-2")
    with patch.object(owning, "SETTLE_S", 3600.0), agent(configured(here), engine) as loop:
        run(loop, rounds=6)
        assert engine.writes == []
        assert here.registry.get("/v1/agents").json()["agents"][0]["host"] == "edge-2"


def test_time_is_never_before_what_the_registry_said_last() -> None:
    ahead = time.time() + 86400
    clock = owning.Clock(ahead)
    assert ahead <= clock() < ahead + 60
    before = time.time()
    clock.heard(before - 50)
    assert 49.9 < clock.ahead_s < time.time() - before + 50.1
    now = time.time()
    assert clock() >= now


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "agent.host must be text"),
        ('host = "Edge 2"', "no host is called so"),
        ('host = "edge-2"\nlease_seconds = 30', "is not for an agent"),
        ('host = "edge-2"\noffline_hours = -1', "must not be below zero"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "agent.toml").write_text(f'[agent]\n{line}\nrepository = "models.git"\n')
    with pytest.raises(errors.InvalidConfig, match=said):
        config.load(tmp_path / "agent.toml")


def serving(engine: SimulatedEngine) -> int | None:
    found = engine.serving("digits")
    return None if found is None else found.version


def served(engine: SimulatedEngine) -> str:
    found = engine.serving("digits")
    assert found is not None
    return found.name


def beside(here: Town) -> remotes.Beside:
    assert isinstance(here.loop.leases, remotes.Beside)
    return here.loop.leases


def shown(here: Town) -> dict[str, Any]:
    """What the status of the deployment says of edge-2, once the reconciler has asked."""
    beside(here).agents.look()
    run(here.loop, rounds=3)
    hosts: Any = here.status()["hosts"]
    return {row["host"]: row for row in hosts}["edge-2"]
