"""deploy/compose, brought up for real: from a commit to a prediction; and how it is closed."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx2
import pytest
import yaml

from deploy import images
from tests.engines import rigs
from tests.ports import free_port
from tests.reconciler import town
from tests.reconciler.measuring import real
from tests.reconciler.origin import Origin
from tests.reconciler.reviewing import githttp
from tests.registry.publishing import Publisher, onnx_model, publish

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / ".build/compose/usr/libexec/docker/cli-plugins/docker-compose"
OURS = ("registry", "reconciler", "postgres", "store", "prometheus")
HOST = f"here-{os.getpid()}"
PROJECT = f"plimsoll-test-{os.getpid()}"
ALICE = Publisher()


@dataclass(frozen=True)
class Stack:
    """One project of compose, in a folder that prepare.sh made ready."""

    folder: Path
    ports: dict[str, int]
    origin: Origin

    def at(self, service: str) -> str:
        """Where this machine reaches it."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def publish(self) -> str:
        """One version, by the admin; its digest."""
        asked = "print(open('/var/lib/plimsoll/admin.token').read())"
        token = self.compose("exec", "--no-TTY", "registry", "python3", "-c", asked).strip()
        headers = {"Authorization": f"Bearer {token}"}
        with httpx2.Client(base_url=self.at("REGISTRY"), headers=headers, timeout=60) as client:
            answer = publish(client, ALICE, {"model.onnx": onnx_model(2.0)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["digest"])

    def deploy(self, digest: str) -> None:
        """Commit what shall serve on this machine."""
        port = f"port: {self.ports['INGRESS']}"
        host = town.HOST.format(name=HOST).replace("port: 8501", port)
        wanted = town.manifest(1, digest, hosts=f"[{HOST}]").replace("-runtime:", "-runtime-edge:")
        policy = {"policies/deploy/signed.yaml": town.POLICY}
        self.origin.commit({f"models.d/hosts/{HOST}.yaml": host, town.DEPLOYMENT: wanted, **policy})

    def seen(self) -> dict[str, str]:
        """The health of each of Prometheus' targets."""
        url = f"{self.at('PROMETHEUS')}/api/v1/targets"
        listed = httpx2.get(url, trust_env=False, timeout=30).json()["data"]["activeTargets"]
        return {one["labels"]["job"]: one["health"] for one in listed}

    def logs(self) -> str:
        return self.compose("logs", "--tail", "40", "reconciler", "registry", check=False)

    def compose(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [COMPOSE, "-p", PROJECT, "-f", "compose.yaml", *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr + self.compose("logs", check=False)
        return done.stdout


@pytest.fixture
def git(tmp_path: Path) -> Iterator[str]:
    """Where containers reach the repository, which Git's own server has."""
    with githttp.serving(tmp_path, "0.0.0.0") as (url, _):  # noqa: S104  for containers
        yield f"http://host.docker.internal:{url.rpartition(':')[2]}/git/origin.git"


@pytest.fixture
def stack(tmp_path: Path, git: str) -> Iterator[Stack]:
    images.build(OURS, address=rigs.SOCKET, base=images.LOCAL, tag="test")
    folder = tmp_path / "plimsoll"
    subprocess.run([ROOT / "deploy/compose/prepare.sh", folder], check=True)
    names = ("REGISTRY", "RECONCILER", "PROMETHEUS", "INGRESS")
    ports = {name: free_port() for name in names}
    wanted = {f"{name.upper()}_IMAGE": f"plimsoll-{name}:test" for name in OURS}
    wanted |= {f"{name}_PORT": str(ports[name]) for name in names[:3]}
    edit(folder / ".env", {f"{name}=.*": f"{name}={value}" for name, value in wanted.items()})
    settings = {
        "repository = .*": f'repository = "{git}"',
        "host_registry = .*": f'host_registry = "http://host.docker.internal:{ports["REGISTRY"]}"',
        "state = .*": 'state = "/var/lib/reconciler"\npoll_seconds = 1',
    }
    edit(folder / "config" / "plimsoll.toml", settings)
    ALICE.list_in(folder / "config" / "publishers.json")
    found = Stack(folder, ports, Origin(tmp_path / "git"))
    yield found
    found.compose("down", "--volumes", "--timeout", "5", check=False)
    with closing(docker.APIClient(rigs.SOCKET)) as api:
        rigs.sweep(api, HOST)


def edit(path: Path, lines: dict[str, str]) -> None:
    text = path.read_text()
    for line, wanted in lines.items():
        text, count = re.subn(rf"(?m)^{line}", wanted, text)
        assert count == 1, line
    path.write_text(text)


def test_up_from_nothing_to_a_prediction_and_a_prometheus_that_sees_all_of_it(
    stack: Stack,
) -> None:
    """Database, bucket, schema, keys, token and trust root are made on the way."""
    stack.compose("up", "--detach", "--wait", "registry", "reconciler", "prometheus")
    answer = httpx2.get(f"{stack.at('REGISTRY')}/readyz", trust_env=False, timeout=30)
    assert answer.json()["status"] == "ok"
    stack.deploy(stack.publish())
    rows = {"instances": [[1.0, 2.0, 3.0, 4.0]]}
    url = f"{stack.at('INGRESS')}/v1/models/digits:predict"
    real.until(lambda: _asked(url, rows) == [[3.0, 4.0, 5.0, 6.0]], what=stack.logs, seconds=180)
    real.until(lambda: stack.seen() == {"plimsoll-registry": "up", "plimsoll-reconciler": "up"},
               what=stack.logs, seconds=60)  # fmt: skip


def _asked(url: str, rows: object) -> object:
    answer = httpx2.post(url, json=rows, trust_env=False, timeout=10)
    return answer.json().get("predictions") if answer.is_success else None


def test_every_service_is_hardened() -> None:
    services = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"user", "mem_limit", "pids_limit", "restart"} <= set(service), name
        assert not [key for key in service.get("environment", {}) if key.endswith("PASSWORD")]
    assert set(services["postgres"]["networks"]) == set(services["store"]["networks"]) == {"inside"}
