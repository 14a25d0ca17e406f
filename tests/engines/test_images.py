"""The images: built once for the same content, and with nothing in them that is not needed."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import docker
import pytest

from deploy import images
from deploy.building import Builder
from tests.engines import rigs
from tests.reconciler.measuring import real


@pytest.fixture(scope="module")
def api() -> docker.APIClient:
    api = docker.APIClient(base_url=rigs.SOCKET, version="1.41")
    api.trust_env = False
    return api


@pytest.mark.parametrize("name", images.NAMES)
def test_building_again_changes_nothing(name: str, api: docker.APIClient) -> None:
    def build() -> str:
        (image,) = images.build((name,), address=rigs.SOCKET, base=images.LOCAL, tag="test")
        return str(api.inspect_image(image)["Id"])

    assert build() == build()


def test_builds_of_several_processes_take_turns() -> None:
    """Or both would build the same, and the second take the name from what the first uses."""
    asked = partial(images.build, ("ingress",), address=rigs.SOCKET, base=images.LOCAL, tag="test")
    with ThreadPoolExecutor(1) as pool:
        with images.alone():
            other = pool.submit(asked)
            turn = str((images.BUILD / "lock").stat().st_ino)
            real.until(lambda: turn in waited_for(), what=lambda: f"{turn}: {waited_for()}")
            assert not other.done()
        assert other.result() == ["plimsoll-ingress:test"]


def waited_for() -> list[str]:
    """The locks, by inode, that somebody waits for (proc(5))."""
    lines = Path("/proc/locks").read_text().splitlines()
    return [line.split()[6].split(":")[2] for line in lines if "-> FLOCK" in line]


@pytest.mark.parametrize("name", images.NAMES)
def test_an_image_runs_as_nobody_in_particular(name: str, api: docker.APIClient) -> None:
    (image,) = images.build((name,), address=rigs.SOCKET, base=images.LOCAL, tag="test")
    config = api.inspect_image(image)["Config"]
    assert config["User"] == "10001:10001"
    assert not any("TOKEN" in variable or "KEY" in variable for variable in config["Env"])


def test_the_runtime_image_has_the_runtime_and_no_registry(api: docker.APIClient) -> None:
    (image,) = images.build(("runtime",), address=rigs.SOCKET, base=images.LOCAL, tag="test")
    code = (
        "import importlib.util as u, os, runtime, registry.core;"
        "assert u.find_spec('registry.usecases') is None;"
        "assert u.find_spec('docker') is None;"
        "assert not os.path.exists('/bin/sh');"
        "assert os.stat('/var/lib/plimsoll').st_uid == 10001;"
        "print('as it should be')"
    )
    made = api.create_container(image, entrypoint=["python3", "-c", code], command=[])
    try:
        api.start(made["Id"])
        assert api.wait(made["Id"])["StatusCode"] == 0, api.logs(made["Id"]).decode()
    finally:
        api.remove_container(made["Id"], force=True)


def test_a_failing_build_says_why() -> None:
    builder = Builder(rigs.SOCKET)
    try:
        with pytest.raises(SystemExit, match=r"plimsoll-broken:test: .*Dockerfile"):
            builder.build({}, image="plimsoll-broken:test", content="x", arguments={})
    finally:
        builder.close()
