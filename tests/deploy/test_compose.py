"""deploy/compose, brought up for real, with every service healthy; and how it is closed."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import yaml

from deploy import images
from tests.engines import rigs
from tests.reconciler.measuring import real

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / ".build/compose/usr/libexec/docker/cli-plugins/docker-compose"
OURS = ("registry", "reconciler", "postgres", "store", "prometheus")
PROJECT = f"plimsoll-test-{os.getpid()}"


@dataclass(frozen=True)
class Stack:
    """One project of compose, in a folder that prepare.sh made ready."""

    folder: Path
    registry: int

    def compose(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [COMPOSE, "-p", PROJECT, "-f", "compose.yaml", *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr + self.compose("logs", check=False)
        return done.stdout


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    images.build(OURS, address=rigs.SOCKET, base=images.LOCAL, tag="test")
    folder = tmp_path / "plimsoll"
    subprocess.run([ROOT / "deploy/compose/prepare.sh", folder], check=True)
    ports = {f"{name}_PORT": real.free_port() for name in ("REGISTRY", "RECONCILER", "PROMETHEUS")}
    wanted = {f"{name.upper()}_IMAGE": f"plimsoll-{name}:test" for name in OURS} | ports
    text = (folder / ".env").read_text()
    for name, value in wanted.items():
        text, count = re.subn(rf"(?m)^{name}=.*", f"{name}={value}", text)
        assert count == 1, name
    (folder / ".env").write_text(text)
    found = Stack(folder, ports["REGISTRY_PORT"])
    yield found
    found.compose("down", "--volumes", "--timeout", "5", check=False)


def test_up_from_nothing_to_a_ready_registry_and_a_live_reconciler(stack: Stack) -> None:
    """Database, bucket, schema, keys, token and trust root are made on the way."""
    stack.compose("up", "--detach", "--wait", "registry", "reconciler", "prometheus")
    answer = httpx2.get(f"http://127.0.0.1:{stack.registry}/readyz", trust_env=False, timeout=30)
    assert answer.json()["status"] == "ok"


def test_every_service_is_hardened() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"user", "mem_limit", "pids_limit", "restart"} <= set(service), name
        assert not [key for key in service.get("environment", {}) if key.endswith("PASSWORD")]
    assert set(services["postgres"]["networks"]) == set(services["store"]["networks"]) == {"inside"}
