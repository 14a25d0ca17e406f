"""The demo is a test: on a real Docker Engine, and on the embedded one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("engine", ["auto", "process"])
def test_every_step_of_the_demo_holds(engine: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo", "--engine", engine],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "No Docker Engine" not in done.stdout
    assert not (ROOT / ".demo").exists()
    for listing in (["ps", "-a"], ["volume", "ls"]):
        left = subprocess.run(["docker", *listing], capture_output=True, text=True, check=True)
        assert "edge-1" not in left.stdout
