"""`plimsoll agent` on the embedded engine: power off, and back without anybody to ask."""

import json
import shutil
import signal
import subprocess
from typing import Any

from deploy.demo.world import World, is_free, wait_for
from tests.e2e.conftest import DEPLOYMENT, PORT, Machine

HOST = "models.d/hosts/edge-1.yaml"


def test_after_a_reboot_an_agent_alone_serves_its_verified_copy(machine: Machine) -> None:
    world = machine.world
    machine.up()
    introduce(world)
    # The registry puts a new agent into the trust root when it starts.
    world.stop("up")
    machine.up()
    shutil.copy(world.folder / "registry" / "trust.json", world.folder / "edge" / "trust.json")
    machine.digests = {1: machine.push(1)}
    (world.folder / "digits.yaml").rename(world.work / DEPLOYMENT)
    machine.pin(1)
    host = world.work / HOST
    host.write_text(f"{host.read_text().rstrip()}\n  managedBy: agent\n")
    world.push("Serve version 1 on a host that looks after itself")
    world.start("agent", "agent", "--config", "edge/agent.toml")
    try:
        machine.await_version(1)
        status = wait_for(lambda: told(world), "the agent's own word")
        assert status["hosts"][0]["managedBy"] == "agent"
        power_off(world)
        world.start("agent", "agent", "--config", "edge/agent.toml")
        machine.await_version(1)
    finally:
        world.stop("agent")


def introduce(world: World) -> None:
    """The agent's machine: a token, and a key that counts for this host alone."""
    edge = world.folder / "edge"
    edge.mkdir()
    settings = {
        "host": "edge-1",
        "repository": str(world.folder / "origin.git"),
        "registry": world.registry_url,
        "poll_seconds": 1,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (edge / "agent.toml").write_text("\n".join(["[agent]", *lines, ""]))
    made = world.plimsoll("token", "create", "agent", "edge-1")
    (edge / "agent.token").write_text(made.stdout)
    shown = world.plimsoll("permit", "key", "--config", "edge/agent.toml", "--name", "edge-1")
    listed = {"agents": [json.loads(shown.stdout)]}
    (world.folder / "agents.json").write_text(json.dumps(listed))


def power_off(world: World) -> None:
    """Everything on the machine ends at once; Git and the registry are gone as well."""
    for program in ("agent", "up"):
        world.stop(program, number=signal.SIGKILL)
    pattern = f"runtime --config {world.folder}"
    subprocess.run(["pkill", "-KILL", "-f", pattern], check=True)
    wait_for(lambda: is_free(PORT), "the runtime to be gone")
    (world.folder / "origin.git").rename(world.folder / "away.git")


def told(world: World) -> dict[str, Any] | None:
    """The deployment's status, once it has the agent's word."""
    status = world.get("/v1/deployments/production/digits")
    return status if status["sync"]["status"] == "Synced" else None
