"""A secret on a real Docker Engine: in the instance, after restarts too, and nowhere to be seen."""

import dataclasses
import json
from collections.abc import Iterator

import pytest

from reconciler.engines import wire
from tests.engines import rigs
from tests.engines.rigs import Docker, start

CANARY = "canary-5a1f"
_READ = ["python3", "-c", "print(open('/run/plimsoll/environment.json').read())"]
_MODE = [
    "python3",
    "-c",
    "import os; print(oct(os.stat('/run/plimsoll/environment.json').st_mode))",
]


@pytest.fixture
def rig(docker_rig: Docker) -> Docker:
    launch = dataclasses.replace(docker_rig.launch, environment={"TOKEN": CANARY})
    return dataclasses.replace(docker_rig, launch=launch)


def run(rig: Docker, name: str, command: list[str], user: str = "10001:10001") -> str:
    made = rig.api.exec_create(name, command, user=user)
    return str(rig.api.exec_start(made["Id"]).decode())


def shown(rig: Docker, name: str) -> Iterator[str]:
    """What somebody sees who may look at the engine and not into its containers."""
    inspected = rig.api.inspect_container(name)
    yield json.dumps(inspected)
    yield json.dumps(rig.api.containers(all=True))
    yield json.dumps(rig.api.inspect_image(inspected["Image"]))
    yield json.dumps([rig.api.inspect_volume(mount["Name"]) for mount in inspected["Mounts"]])
    yield json.dumps(rig.api.top(name))
    yield rig.api.logs(name).decode()


def test_an_instance_has_its_secret_and_nothing_that_docker_shows_has_it(rig: Docker) -> None:
    spec = rig.spec()
    start(rig, spec)
    assert json.loads(run(rig, spec.name, _READ)) == {"TOKEN": CANARY}
    assert run(rig, spec.name, _MODE).strip() == "0o100440"
    assert "Permission" in run(rig, spec.name, _READ, user="10002:10002")
    assert not [text for text in shown(rig, spec.name) if CANARY in text]


def test_a_restart_that_nobody_helps_with_keeps_it_and_a_removal_takes_it_away(
    rig: Docker,
) -> None:
    """As after a power failure, with neither Git nor a reconciler anywhere."""
    spec = rig.spec()
    start(rig, spec)
    volumes = {
        mount["Name"]
        for mount in rig.api.inspect_container(spec.name)["Mounts"]
        if mount["Destination"] == "/run/plimsoll"
    }
    rig.api.restart(spec.name, timeout=5)
    rig.await_answers(spec)
    assert json.loads(run(rig, spec.name, _READ)) == {"TOKEN": CANARY}
    rig.engine.remove(spec.name)

    def is_gone() -> bool:
        return not volumes & {one["Name"] for one in rig.api.volumes()["Volumes"] or []}

    assert len(volumes) == 1
    assert wire.until(is_gone, timeout=60), f"{volumes} are still there"
    assert rigs.seen(rig, spec) is None
