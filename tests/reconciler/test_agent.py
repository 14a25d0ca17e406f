"""Agents on hosts of their own beside a reconciler, over one real registry and one Git."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler import config, engines, owning, service
from reconciler.engines.protocol import Engine
from reconciler.loop import Loop
from registry.core.entries import Kind
from tests.reconciler.simulated import SimulatedEngine
from tests.reconciler.town import DEPLOYMENT, Town, manifest, town
from tests.registry.publishing import Publisher

OWN = """\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {name: edge-2}
spec:
  engine: {address: unix:///var/run/docker.sock}
  ingress: {port: 8501}
  managedBy: agent
"""


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


def configured(here: Town, host: str = "edge-2", name: str = "agent") -> Path:
    """A machine of its own for the agent of `host`."""
    folder = here.folder / name
    folder.mkdir()
    wish = {"role": "agent", "name": host}
    token = here.registry.post("/v1/tokens", json=wish).json()["token"]
    (folder / "agent.token").write_text(token)
    (folder / "trust.json").write_bytes((here.folder / "registry/trust.json").read_bytes())
    (folder / "agent.toml").write_text(
        f"""
[agent]
host = "{host}"
repository = {json.dumps(here.origin.url)}
registry = {json.dumps(here.server.addresses[0])}
"""
    )
    return folder


@contextmanager
def agent(folder: Path, engine: SimulatedEngine) -> Iterator[Loop]:
    """An agent on its machine with `engine`; everybody else sees what they saw before."""
    others = engines.connect

    def connect(*, host: str, state: Path, **rest: Any) -> Engine:
        is_own = state.is_relative_to(folder)
        return engine if is_own else others(host=host, state=state, **rest)

    with (
        patch.object(engines, "connect", connect),
        service.assembled(config.load(folder / "agent.toml")) as (loop, _),
    ):
        yield loop


def run(*loops: Loop, rounds: int = 12) -> None:
    for _ in range(rounds):
        for loop in loops:
            loop.hint()
            loop.tick()
            while loop.lanes.busy():
                time.sleep(0.01)


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
    here.loop.leases._agents.look()  # type: ignore[attr-defined]
    here.loop.tick()
    status = here.status()
    assert isinstance(status["hosts"], list)
    row = {row["host"]: row for row in status["hosts"]}["edge-2"]
    assert (row["sync"], row["health"], row["managedBy"]) == ("Synced", "Healthy", "agent")
    assert row["reportedAt"]
    assert status["sync"] == {"status": "Synced", "reason": ""}
