"""The demo is a test: on a real Docker Engine, and on the embedded one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """What looks like a runtime of another's host that is called edge-1 too."""
    told = ["runtime", "--config", str(tmp_path / "edge-1" / "runtime.json")]
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()", *told]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as process:
        yield process


@pytest.mark.parametrize("engine", ["auto", "process"])
def test_every_step_of_the_demo_holds(engine: str, beside: subprocess.Popen[bytes]) -> None:
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
    assert beside.poll() is None, "the demo killed a runtime that was none of its own"
    for listing in (["ps", "-a"], ["volume", "ls"]):
        left = subprocess.run(["docker", *listing], capture_output=True, text=True, check=True)
        assert "edge-1" not in left.stdout
