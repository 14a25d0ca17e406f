"""Clients that people have, unmodified: oras, skopeo, and docker with a real Docker Engine."""

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import oras.client
import pytest

from registry.api.server import Server
from registry.core import manifest
from registry.usecases import access
from registry.usecases import oci as repositories
from registry.usecases.access import Role
from registry.usecases.opening import Registry
from tests.registry.conftest import ROOT
from tests.registry.publishing import Publisher, digest_of
from tests.registry.test_oci_versions import FILES, published


@dataclass(frozen=True)
class Place:
    """A registry with the model digits, as an OCI client is told of it."""

    registry: Registry
    host: str
    token: str

    def skopeo(self, command: str, *arguments: str) -> str:
        return run("skopeo", command, "--tls-verify=false", "--creds", self.user, *arguments)

    def copy(self, source: str, target: str) -> None:
        sides = [side for side, at in (("src", source), ("dest", target)) if "docker://" in at]
        for_sides = [
            option
            for side in sides
            for option in (f"--{side}-tls-verify=false", f"--{side}-creds={self.user}")
        ]
        run("skopeo", "copy", *for_sides, source, target)

    @property
    def user(self) -> str:
        return f"anybody:{self.token}"

    def at(self, name: str) -> str:
        return f"docker://{self.host}/{name}"


@pytest.fixture
def place(server: Server, alice: Publisher) -> Place:
    registry = published(server.app.state.registry, alice)
    token = access.mint(registry, role=Role.PUBLISHER, name="alice-ci", by=ROOT)
    return Place(registry, server.addresses[0].removeprefix("http://"), token)


@pytest.fixture
def docker(place: Place, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """The docker command, logged in, with a small image under a tag of our registry."""
    command = ("docker", "--config", str(tmp_path / "docker"))
    image = f"{place.host}/team/hello:1"
    login = ("login", "--username", "anybody", "--password-stdin", place.host)
    run(*command, *login, content=place.token.encode())
    run(*command, "import", "-", image, content=tar_of({"hello": b"from docker"}))
    yield command
    subprocess.run([*command, "image", "rm", image], capture_output=True, check=False)


def run(*command: str, content: bytes = b"") -> str:
    assert shutil.which(command[0]), f"{command[0]} is not installed: run 'make test-setup'"
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def tar_of(files: dict[str, bytes]) -> bytes:
    with io.BytesIO() as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def test_skopeo_sees_a_models_versions(place: Place) -> None:
    tags = json.loads(place.skopeo("list-tags", place.at("digits")))["Tags"]
    assert {"1", "1-onnx-int8", "champion"} <= set(tags)
    raw = place.skopeo("inspect", "--raw", place.at("digits:champion"))
    assert digest_of(raw.encode()) == repositories.manifest(place.registry, "digits", "1").digest


def test_skopeo_takes_a_version_away_and_brings_it_back(place: Place, tmp_path: Path) -> None:
    version = repositories.manifest(place.registry, "digits", "1")
    place.copy(place.at("digits:1"), f"oci-archive:{tmp_path}/one.tar:1")
    place.copy(f"oci-archive:{tmp_path}/one.tar:1", place.at("copies/one:1"))
    place.copy(place.at("digits:1"), f"dir:{tmp_path}/one")
    place.copy(f"dir:{tmp_path}/one", place.at("copies/two:1"))
    place.copy(place.at("digits:1"), place.at("copies/three:1"))
    for name in ("copies/one", "copies/two", "copies/three"):
        copied = repositories.manifest(place.registry, name, "1")
        assert (copied.digest, copied.content) == (version.digest, version.content)
    said = manifest.parse(version.content)
    brought = {file.path: (tmp_path / "one" / file.digest[7:]).read_bytes() for file in said.files}
    assert brought == FILES
    place.skopeo("delete", place.at("copies/two:1"))
    assert repositories.tags(place.registry, "copies/two", limit=9, after="").items == ()


def test_skopeo_cannot_replace_a_version(place: Place, tmp_path: Path) -> None:
    place.copy(place.at("digits:1"), f"dir:{tmp_path}/one")
    with pytest.raises(AssertionError, match="denied: digits is a model"):
        place.copy(f"dir:{tmp_path}/one", place.at("digits:2"))


def test_oras_pushes_lists_and_pulls(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = oras.client.OrasClient(hostname=place.host, insecure=True, auth_backend="basic")
    config = str(tmp_path / "oras.json")
    client.login(
        hostname=place.host, username="x", password=place.token, tls_verify=False,
        config_path=config,
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("what we saw")
    target = f"{place.host}/team/notes:v1"
    assert client.push(target=target, files=["notes.txt"]).status_code == 201
    assert client.get_tags(f"{place.host}/team/notes") == ["v1"]
    [pulled] = client.pull(target=target, outdir="out")
    assert Path(pulled).read_text() == "what we saw"
    assert "1-onnx" in client.get_tags(f"{place.host}/digits")
    client.pull(target=f"{place.host}/digits:1", outdir="digits")
    brought = {file.read_bytes() for file in Path("digits").rglob("*") if file.is_file()}
    assert brought == set(FILES.values())


def test_docker_pushes_and_pulls_through_a_real_engine(
    place: Place, docker: tuple[str, ...], tmp_path: Path
) -> None:
    image = f"{place.host}/team/hello:1"
    run(*docker, "push", image)
    pushed = repositories.manifest(place.registry, "team/hello", "1")
    run(*docker, "image", "rm", image)
    assert f"Digest: {pushed.digest}" in run(*docker, "pull", image)
    run(*docker, "image", "rm", image)
    run(*docker, "pull", f"{place.host}/team/hello@{pushed.digest}")
    archive = tmp_path / "hello.tar"
    run(*docker, "tag", f"{place.host}/team/hello@{pushed.digest}", image)
    run(*docker, "save", "--output", str(archive), image)
    with tarfile.open(archive) as saved:
        layers = [name for name in saved.getnames() if name.endswith("layer.tar")]
        [layer] = [saved.extractfile(name) for name in layers]
        assert layer
        assert b"from docker" in layer.read()


def test_docker_is_told_that_versions_are_published(place: Place, docker: tuple[str, ...]) -> None:
    run(*docker, "tag", f"{place.host}/team/hello:1", f"{place.host}/digits:1")
    try:
        with pytest.raises(AssertionError, match="publish the version"):
            run(*docker, "push", f"{place.host}/digits:1")
    finally:
        run(*docker, "image", "rm", f"{place.host}/digits:1")
