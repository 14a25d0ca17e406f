"""docs/pipeline.md: every command, in its order, from training to predictions."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy import images
from tests.e2e import shell
from tests.engines.rigs import SOCKET, free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipeline.md").read_text()
PARTS = dict(
    re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
IMAGE = "plimsoll-runtime-edge"


@dataclass(frozen=True)
class Ran:
    """What each part of the page said, and the folder that it worked in."""

    said: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """All of the page in one shell, as it stands but for its ports and the image's tag."""
    home = tmp_path_factory.mktemp("pipeline")
    images.build(("runtime-edge",), address=SOCKET, base=images.LOCAL, tag="test")
    ports = {said: str(free_port()) for said in ("8440", "8501", "8502")}
    shown = "".join(f'echo "## {name}"\n{commands}' for name, commands in PARTS.items())
    here = re.sub(r"(127\.0\.0\.1:|port: )(\d{4})\b", lambda m: m[1] + ports[m[2]], shown)
    script = f"set -euo pipefail\n{here.replace(f'{IMAGE}:dev', f'{IMAGE}:test')}"
    try:
        yield Ran(_parts(shell.pasted(script, home)), home / "pipeline")
    finally:
        _clear(home, ports["8440"])


def _parts(said: str) -> dict[str, str]:
    found = re.split(r"^## (.*)\n", said, flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def _clear(home: Path, registry: str) -> None:
    """What the page has put away already, and where it broke off, what it had not."""
    subprocess.run(["pkill", "-f", f"runtime --config {home}"], check=False)
    subprocess.run(["docker", "rm", "-f", "digits-2"], capture_output=True, check=False)
    for image in ("digits:2", "plimsoll/runtime:1"):
        name = f"127.0.0.1:{registry}/{image}"
        subprocess.run(["docker", "image", "rm", name], capture_output=True, check=False)
    shutil.rmtree(home, ignore_errors=True)


def test_every_command_of_the_page_does_what_it_says(ran: Ran) -> None:
    assert list(ran.said) == list(PARTS)
    right = re.findall(r": (\d+) of 300 right", ran.said["Ask, and ask why"])
    # The deployed version and the packaged one are the same bytes.
    assert len(right) == 2
    assert right[0] == right[1]
    assert int(right[0]) > 270
    assert "intact: " in ran.said["Ask, and ask why"]
    assert "synced and healthy and verified: digits@2" in ran.said["Deploy"]


def test_what_was_made_smaller_is_measured_marked_and_signed_for(ran: Ran) -> None:
    report = json.loads((ran.folder / "small" / "report.json").read_text())
    assert report["best"] == "pruned 20 %, int8 dynamic"
    [made] = [one for one in report["candidates"] if one["name"] == report["best"]]
    assert made["measured"]["sizeBytes"] < 0.4 * report["before"]["sizeBytes"]
    assert made["measured"]["watermarkZ"] > 6
    assert "pictures of 10 classes, 8 × 8 cells each" in ran.said["Explain"]
    said = ran.said["Approve"]
    assert re.search(r"explanation +lab ", said)
    assert re.search(r"test-result passed +lab ", said)
    assert re.search(r"approval +carol ", said)
    lineage = ran.said["Smaller and faster"]
    for was in ("pruned", "quantised"):
        assert re.search(rf"^digits@2 +{was} +digits@1", lineage, re.MULTILINE)


def test_a_student_is_a_tenth_of_its_teacher_and_says_so(ran: Ran) -> None:
    report = json.loads((ran.folder / "student" / "report.json").read_text())
    [made] = report["candidates"]
    assert made["measured"]["sizeBytes"] < 0.1 * report["before"]["sizeBytes"]
    assert made["measured"]["accuracyLoss"] <= 0.03
    assert re.search(r"^digits@3 +distilled +digits@1", ran.said["A student"], re.MULTILINE)
