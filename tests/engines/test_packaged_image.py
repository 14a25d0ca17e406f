"""`docker pull` and `docker run` of a version, with a real Docker Engine and the real runtime."""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from deploy import images as deployed
from registry.api.server import Server
from registry.settings import Settings
from registry.usecases import access
from registry.usecases.access import Role
from tests.engines import rigs
from tests.registry.conftest import ROOT
from tests.registry.publishing import Publisher, publish
from tests.registry.test_oci_clients import run
from tests.runtime import models

BASE = "plimsoll/runtime:1"


@dataclass(frozen=True)
class Place:
    """A registry with the model digits packaged on a runtime, and a docker that is logged in."""

    client: httpx2.Client
    host: str
    docker: tuple[str, ...]
    alice: Publisher

    @property
    def image(self) -> str:
        return f"{self.host}/digits"

    def publish(self, files: dict[str, bytes]) -> dict[str, object]:
        """The next version, packaged."""
        answer = publish(self.client, self.alice, files)
        assert answer.status_code == 201, answer.text
        path = f"/v1/models/digits/versions/{answer.json()['version']}/images"
        made = self.client.post(path, json={"base": BASE})
        assert made.status_code == 201, made.text
        found: dict[str, object] = made.json()
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("packaged")
    alice = Publisher()
    settings = Settings(data_dir=folder / "data", listen=("127.0.0.1:0",))
    alice.list_in(settings.publishers_file)
    server = Server(settings)
    server.start()
    docker = ("docker", "--config", str(folder / "docker"))
    token = access.mint(server.app.state.registry, role=Role.PUBLISHER, name="ci", by=ROOT)
    client = httpx2.Client(base_url=server.addresses[0], timeout=120)
    client.headers["Authorization"] = f"Bearer {token}"
    host = server.addresses[0].removeprefix("http://")
    login = ("login", "--username", "anybody", "--password-stdin", host)
    run(*docker, *login, content=token.encode())
    [runtime] = deployed.build(
        ("runtime-edge",), address=rigs.SOCKET, base=deployed.LOCAL, tag="test"
    )
    run(*docker, "tag", runtime, f"{host}/{BASE}")
    run(*docker, "push", f"{host}/{BASE}")
    yield Place(client, host, docker, alice)
    for image in run(*docker, "images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if image.startswith(f"{host}/"):
            subprocess.run([*docker, "image", "rm", image], capture_output=True, check=False)
    client.close()
    server.stop()


@pytest.fixture
def ran(place: Place) -> Iterator[list[str]]:
    """Containers to remove."""
    names: list[str] = []
    yield names
    for name in names:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def started(place: Place, ran: list[str], image: str, *more: str) -> str:
    """A container of the image; gives the address of its port 8501."""
    options = ("--detach", "--publish", "127.0.0.1:0:8501", *more)
    name = run(*place.docker, "run", *options, image).strip()
    ran.append(name)
    return run(*place.docker, "port", name, "8501").split()[0]


def asked(address: str, name: str) -> dict[str, object]:
    """One prediction, by curl, once it is ready."""
    body = json.dumps({"instances": models.digits()[0][:20].tolist()})
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done = subprocess.run(
            ["curl", "--silent", "--fail", "--noproxy", "*", f"http://{address}/readyz"],
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            break
        time.sleep(0.1)
    url = f"http://{address}/v1/models/digits:predict"
    answer = run("curl", "--silent", "--noproxy", "*", "--data", "@-", url, content=body.encode())
    found: dict[str, object] = json.loads(answer)
    assert "predictions" in found, (found, run("docker", "logs", name))
    return found


def test_a_version_is_pulled_and_run_and_predicts(place: Place, ran: list[str]) -> None:
    made = place.publish(models.onnx_digits())
    pulled = run(*place.docker, "pull", f"{place.image}:1")
    assert f"Digest: {made['digest']}" in pulled
    address = started(place, ran, f"{place.image}:1", "--network", "bridge")
    predictions = asked(address, ran[0])["predictions"]
    labels = models.digits()[1]
    assert isinstance(predictions, list)
    right = [one["label"] == label for one, label in zip(predictions, labels, strict=False)]
    assert sum(right) >= 18


def test_it_runs_on_a_disk_that_cannot_be_written(place: Place, ran: list[str]) -> None:
    place.publish(models.onnx_digits() | {"labels.txt": b"0 1 2"})
    newest = len(place.client.get("/v1/models/digits/versions").json()["versions"])
    options = (
        "--read-only",
        "--tmpfs",
        "/var/lib/plimsoll:uid=10001,mode=0700",
        "--cap-drop",
        "ALL",
    )
    address = started(place, ran, f"{place.image}:{newest}", *options)
    assert asked(address, ran[0])["predictions"]


def test_of_another_model_only_its_layer_comes_and_nothing_of_the_base_is_uploaded(
    place: Place,
) -> None:
    first = place.publish(models.onnx_digits())
    second = place.publish(models.onnx_digits(shuffled=True))
    assert first["layer"] != second["layer"]
    tags = [len(place.client.get("/v1/models/digits/versions").json()["versions"]) - 1]
    run(*place.docker, "pull", f"{place.image}:{tags[0]}")
    said = run(*place.docker, "pull", f"{place.image}:{tags[0] + 1}")
    steps = [line.partition(": ")[2] for line in said.splitlines()]
    assert steps.count("Pull complete") == 2, said
    assert steps.count("Already exists") == said.count("Already exists") >= 3
