"""`plimsoll up`: everything in one process, killed at any moment, and started again."""

import json
import random
import signal
import subprocess
import time

from deploy.demo.clients import Crowd
from deploy.demo.world import REGISTRY_PORT, WEBHOOK_PORT, is_free, wait_for
from tests.e2e.conftest import DEPLOYMENT, PORT, Machine


def first_deployment(machine: Machine) -> None:
    """Version 1 in Git, and answering."""
    machine.up()
    machine.digests = {version: machine.push(version) for version in (1, 2)}
    (machine.world.folder / "digits.yaml").rename(machine.world.work / DEPLOYMENT)
    machine.pin(1)
    machine.world.push("Serve version 1")
    machine.await_version(1)


def test_killed_at_any_moment_it_converges_and_nothing_acknowledged_is_lost(
    machine: Machine,
) -> None:
    first_deployment(machine)
    seed = random.SystemRandom().randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    with Crowd(PORT, machine.images, size=2) as crowd:
        for turn in range(8):
            version = 2 - turn % 2
            machine.pin(version)
            machine.world.push(f"Serve version {version}")
            time.sleep(draw.uniform(0.0, 2.0))
            machine.world.stop("up", number=signal.SIGKILL)
            machine.up()
            machine.await_version(version)
    assert crowd.failures == []
    # What was told of the turn before may stand until the last reconciler has had its say.
    status = wait_for(lambda: converged(machine, 1), "a converged deployment", seconds=120)
    assert status["quarantined"] == []
    assert {version: machine.push(version) for version in (1, 2)} == machine.digests
    verified = machine.world.plimsoll("audit", "verify", "--trust", "registry/trust.json")
    assert "intact" in verified.stdout


def converged(machine: Machine, version: int) -> dict[str, object] | None:
    """The deployment, once it is told to be as it shall be, and to serve this."""
    status = machine.world.get("/v1/deployments/production/digits")
    done = (status["sync"]["status"], status["health"]["status"]) == ("Synced", "Healthy")
    serving = [host["serving"] and host["serving"]["version"] for host in status["hosts"]]
    return status if done and serving == [version] else None


def test_with_the_registry_gone_a_killed_runtime_serves_its_verified_copy(
    machine: Machine,
) -> None:
    first_deployment(machine)
    wait_for(lambda: converged(machine, 1), "a converged deployment")
    machine.world.stop("up")
    machine.world.start("registry", "serve", "--config", "plimsoll.toml")
    machine.world.start("reconciler", "reconcile", "--config", "plimsoll.toml")
    wait_for(lambda: machine.world.get("/v1/models"), "the registry")
    wait_for(lambda: not is_free(WEBHOOK_PORT), "the reconciler")
    machine.world.stop("registry", number=signal.SIGKILL)
    pattern = f"runtime --config {machine.world.folder}"
    killed = running(pattern)
    subprocess.run(["pkill", "-KILL", "-f", pattern], check=True)
    # Not that its port is free: the next one may listen there before anybody looks.
    wait_for(lambda: not killed & running(pattern), "the runtime to be gone")
    machine.await_version(1)
    assert is_free(REGISTRY_PORT)
    machine.world.start("registry", "serve", "--config", "plimsoll.toml")
    wait_for(lambda: "restarted" in logged(machine), "the outbox to be delivered")


def running(pattern: str) -> set[str]:
    """The processes with this in their command line; none of the dead."""
    found = subprocess.run(["pgrep", "-f", pattern], capture_output=True, check=False, text=True)
    return set(found.stdout.split())


def logged(machine: Machine) -> list[str]:
    listed = machine.world.plimsoll("audit", "log", "--last", "999", "-o", "json", check=False)
    return [entry["kind"] for entry in json.loads(listed.stdout or "[]")]


def test_bad_desired_state_is_reported_with_its_place_and_changes_nothing(
    machine: Machine,
) -> None:
    first_deployment(machine)
    path = machine.world.work / DEPLOYMENT
    path.write_text(path.read_text().replace("  targets:", "  tragets:"))
    machine.world.push("A typing error")

    def reported() -> str | None:
        sync = machine.world.get("/v1/deployments/production/digits")["sync"]
        return str(sync["reason"]) if sync["status"] == "Unknown" else None

    reason = wait_for(reported, "the error in the status")
    assert reason.startswith(f"{DEPLOYMENT}:")
    machine.await_version(1)
    refused = machine.world.plimsoll("validate", str(machine.world.work), check=False)
    assert refused.returncode != 0
    assert f"{DEPLOYMENT}:" in refused.stdout
    assert "fix:" in refused.stdout
