"""The units of systemd: it takes them, they expose little, and what they start is our command line.

There is no systemd to run them here: what a unit may do is judged from its file.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.examples import shell

ROOT = Path(__file__).parents[2]
HOME = ROOT / "deploy" / "systemd"
SERVICES = sorted(HOME.glob("*.service"))
THEIRS = Path("/usr/lib/systemd/system")


def said(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    program = tmp_path / "opt/plimsoll/bin/plimsoll"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    place = tmp_path / "etc/systemd/system"
    place.mkdir(parents=True)
    for one in [*HOME.glob("plimsoll-*"), *THEIRS.glob("*.target")]:
        shutil.copy(one, place)
    units = [one.name for one in HOME.glob("plimsoll-*")]
    assert len(units) == 5
    done = said("systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", *units)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_exposes_little(unit: Path) -> None:
    """2.5 of 10; what asks for no protection at all has 9.6."""
    done = said("systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_is_a_command_with_its_options(unit: Path) -> None:
    started = re.findall(r"^ExecStart=/opt/plimsoll/bin/(.+)$", unit.read_text(), re.MULTILINE)
    assert started
    for line in started:
        assert shell.complaints(line.split(), whole=True) == ""


def test_the_user_and_the_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made = said("systemd-sysusers", f"--root={tmp_path}", str(HOME / "sysusers.conf"))
    assert made.returncode == 0, made.stderr
    assert "plimsoll:" in (tmp_path / "etc/passwd").read_text()
    assert re.search(r"^docker:.*:plimsoll$", (tmp_path / "etc/group").read_text(), re.MULTILINE)
    made = said("systemd-tmpfiles", "--create", f"--root={tmp_path}", str(HOME / "tmpfiles.conf"))
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "var/backups/plimsoll").stat().st_mode & 0o777 == 0o700
