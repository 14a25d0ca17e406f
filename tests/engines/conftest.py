"""Rigs as fixtures. A missing Docker Engine is a failure, never a skip."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import images, rigs
from tests.engines.rigs import Docker, Rig


@pytest.fixture(scope="session")
def built_images() -> None:
    images.build()


@pytest.fixture
def docker_rig(built_images: None) -> Iterator[Docker]:
    with rigs.docker_host() as rig:
        yield rig


@pytest.fixture(params=["simulated", "process", "docker"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    match request.param:
        case "simulated":
            with rigs.simulated() as simulated:
                yield simulated
        case "process":
            with rigs.processes(tmp_path / "edge-1") as process:
                yield process
        case "docker":
            yield request.getfixturevalue("docker_rig")
