"""Images as files: the same bytes elsewhere and later, and to Docker what its own build is."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy import dockerfile, images
from tests.engines import rigs

ROOT = Path(__file__).parents[2]
NAME = "runtime-edge"
COPY = f"plimsoll-{NAME}:layout-{os.getpid()}"


def built(into: Path, **environment: str) -> str:
    """The digest, as somebody else would get it: in a process that shares nothing with this one."""
    command = [sys.executable, "-m", "deploy.layouts", NAME, "--into", str(into)]
    said = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True,
        umask=int(environment.get("UMASK", "022"), 8),
    )  # fmt: skip
    return said.stdout.split()[-1]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("layout")
    return folder / NAME, built(folder)


def blobs(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs" / "sha256").iterdir()}


def test_the_same_files_elsewhere_and_later_make_the_same_image(
    layout: tuple[Path, str], tmp_path: Path
) -> None:
    folder, digest = layout
    (tmp_path / "elsewhere").mkdir()
    other = {"UMASK": "077", "TZ": "Asia/Tokyo", "TMPDIR": str(tmp_path / "elsewhere")}
    again = built(tmp_path, PYTHONHASHSEED="7", **other)
    assert blobs(tmp_path / NAME) == blobs(folder)
    assert again == digest


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    client = docker.APIClient(base_url=rigs.SOCKET, version="auto")
    client.trust_env = False
    with contextlib.closing(client):
        yield client


@pytest.fixture(scope="module")
def copied(layout: tuple[Path, str], api: docker.APIClient) -> Iterator[dict[str, Any]]:
    """What Docker says of it, once skopeo has brought it there."""
    folder, _ = layout
    command = ["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{folder}"]
    subprocess.run([*command, f"docker-daemon:{COPY}"], check=True)
    yield api.inspect_image(COPY)  # type: ignore[no-untyped-call]
    api.remove_image(COPY, force=True)


def test_docker_is_told_what_its_own_build_of_the_dockerfile_would_tell_it(
    copied: dict[str, Any], api: docker.APIClient
) -> None:
    (image,) = images.build((NAME,), address=rigs.SOCKET, base=images.LOCAL, tag="test")
    theirs = api.inspect_image(image)["Config"]  # type: ignore[no-untyped-call]
    ours = copied["Config"]
    for name in ("User", "WorkingDir", "StopSignal", "ExposedPorts", "Entrypoint", "Cmd"):
        assert ours[name] == theirs[name], name
    assert ours["Healthcheck"] == theirs["Healthcheck"]
    assert sorted(ours["Env"]) == sorted(theirs["Env"])


def test_it_starts_without_writing_and_without_compiling(
    copied: dict[str, Any], api: docker.APIClient
) -> None:
    """A module compiled from another source, or of another time, would be compiled again."""
    code = (
        "import sys, json, os, runtime.__main__, onnxruntime;"
        "bad = [m.__name__ for m in sys.modules.values() if getattr(m, '__cached__', None)"
        " and not os.path.exists(m.__cached__)];"
        "timed = [m.__name__ for m in sys.modules.values() if getattr(m, '__cached__', None)"
        " and open(m.__cached__, 'rb').read(8)[4:] != bytes([1, 0, 0, 0])];"
        "print(json.dumps([bad, timed, os.stat('/var/lib/plimsoll').st_uid]))"
    )
    made = api.create_container(
        COPY, entrypoint=["python3", "-c", code], command=[],
        host_config=api.create_host_config(read_only=True),
    )  # fmt: skip
    try:
        api.start(made["Id"])
        assert api.wait(made["Id"])["StatusCode"] == 0, api.logs(made["Id"]).decode()
        assert json.loads(api.logs(made["Id"], stderr=False)) == [[], [], dockerfile.OWNER]
    finally:
        api.remove_container(made["Id"], force=True)


def test_an_instruction_that_nobody_taught_it_is_refused() -> None:
    with pytest.raises(SystemExit, match="knows no VOLUME"):
        dockerfile.config("FROM scratch\nVOLUME /data\n", [])
