"""The runtime is for every machine that its packages have wheels for: nothing of ours names one."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.images import ROOT

_MACHINES = re.compile(r"amd64|x86|arm64|aarch64|--platform", re.IGNORECASE)
_X86_ALONE = {"tensorflow-cpu"}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_machine_gets_one_tensorflow_and_arm_the_one_that_it_has_wheels_of(
    machine: str,
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = map(Requirement, [*project["dependencies"], *extras["runtime"], *extras["grpc"]])
    found = {
        one.name
        for one in wanted
        if one.marker is None or one.marker.evaluate({"platform_machine": machine})
    }
    assert ("tensorflow" in found) is (machine == "aarch64")
    assert found.isdisjoint(_X86_ALONE) is (machine == "aarch64")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "deploy").glob("Dockerfile.*")), ids=lambda path: path.name
)
def test_no_dockerfile_names_a_machine(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert not [line for line in lines if _MACHINES.search(line)]
