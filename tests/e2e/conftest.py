"""A small team's machine: `plimsoll up` on the embedded engine, two ONNX models, a repository."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.demo import cleanup, models
from deploy.demo.clients import predict
from deploy.demo.story import Broken
from deploy.demo.world import ROOT, WEBHOOK_PORT, World, is_free, wait_for
from reconciler.core import edit

PORT = 8501
DEPLOYMENT = "models.d/production/digits.yaml"


@dataclass
class Machine:
    """`digests` and `images` belong to the published versions 1 and 2, both honest."""

    world: World
    digests: dict[int, str]
    images: list[list[float]]

    def push(self, version: int) -> str:
        """Publish; repeating it is safe. Returns the digest."""
        done = self.world.plimsoll(
            "push", "digits", f"models/{version}", "--version", str(version),
            "--key", "publisher.pem", "-o", "json",
        )  # fmt: skip
        digest: str = json.loads(done.stdout)["digest"]
        return digest

    def pin(self, version: int) -> None:
        """Ask for `version` in the working clone, without a commit."""
        path = self.world.work / DEPLOYMENT
        path.write_bytes(
            edit.repin(path.read_bytes(), version=version, digest=self.digests[version])
        )

    def up(self) -> None:
        """Start registry and reconciler in one process and wait for the registry."""
        self.world.start("up", "up", "--config", "plimsoll.toml")
        wait_for(lambda: self.world.get("/v1/models"), "the registry", seconds=60)
        wait_for(lambda: not is_free(WEBHOOK_PORT), "the webhook", seconds=60)

    def await_version(self, version: int, *, seconds: float = 150) -> None:
        """Until clients are answered by `version`."""
        try:
            wait_for(
                lambda: predict(PORT, self.images[0]).digest == self.digests[version],
                f"version {version} to answer",
                seconds=seconds,
            )
        except Broken as error:
            logs = [f"{name}: {self.world.tail(name)}" for name in ("up", "reconciler", "agent")]
            raise Broken("\n".join([str(error), *logs])) from error


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two honest ONNX models, in folders 1 and 2."""
    folder = tmp_path_factory.mktemp("models")
    images, _, labels, _ = models.splits()
    for version in (1, 2):
        models.train_onnx(images, labels, folder / str(version), seed=version)
    return folder


@pytest.fixture
def machine(tmp_path: Path, trained: Path) -> Iterator[Machine]:
    """Ready for `up`; nothing is published or committed yet."""
    world = World(tmp_path / "world", docker=False)
    world.create()
    shutil.copytree(trained, world.folder / "models")
    made = world.plimsoll("keys", "generate", "--out", "publisher.pem", "--name", "ada")
    publishers = {"publishers": [json.loads(made.stdout)]}
    (world.folder / "publishers.json").write_text(json.dumps(publishers))
    _repository(world)
    yield Machine(world, {}, models.splits()[1].tolist())
    for program in ("up", "reconciler", "registry"):
        world.stop(program)
    cleanup.remove(world.folder)


def _repository(world: World) -> None:
    origin = world.folder / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], check=True)
    subprocess.run(["git", "clone", "-q", str(origin), str(world.work)], check=True)
    for folder in ("models.d", "policies"):
        shutil.copytree(ROOT / folder, world.work / folder)
    host = world.work / "models.d" / "hosts" / "edge-1.yaml"
    host.write_text(re.sub(r"address: \S+", "address: process://", host.read_text()))
    deployment = world.work / DEPLOYMENT
    text = deployment.read_text()
    text = re.sub(r"blueGreen:\n +scaleDownDelaySeconds: .*", "inPlace: {}", text)
    deployment.write_text(text)
    deployment.rename(world.folder / "digits.yaml")  # not asked for yet
    world.git("add", "--all")
    world.git("commit", "--quiet", "-m", "Hosts, templates and policies")
    world.git("push", "--quiet", "origin", "HEAD:main")
