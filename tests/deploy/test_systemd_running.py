"""The units under a systemd that runs: installed as the page says, killed, restarted, stopped."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import test_wheel
from tests.deploy.machine import Machine
from tests.reconciler.measuring import real
from tests.registry.publishing import onnx_model

ROOT = Path(__file__).parents[2]
# As it lies behind a link, too.
UV = Path(os.path.realpath(ROOT / ".venv"))
REGISTRY, RECONCILER = UNITS = ("plimsoll-registry", "plimsoll-reconciler")
PLIMSOLL = "/opt/plimsoll/bin/plimsoll"
AS_ADMIN = (
    "export PLIMSOLL_SERVER=http://127.0.0.1:8440"
    " PLIMSOLL_TOKEN_FILE=/var/lib/plimsoll/registry/admin.token;"
)


def blocks() -> list[str]:
    """What docs/install.md has a person type, with cached packages and a repository of here."""
    _, begun, rest = (ROOT / "docs/install.md").read_text().partition("\n## Under systemd\n")
    assert begun
    part = rest.partition("\n## ")[0]
    found: list[str] = re.findall(r"^```sh\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    uv = f"{UV}/bin/uv pip install -q --link-mode copy --python /opt/plimsoll/bin/python"
    for old, new in {
        "/opt/plimsoll/bin/pip install": uv,
        "https://git.example.org/models.git": "/srv/models.git",
    }.items():
        assert old in "".join(found)
        found = [block.replace(old, new) for block in found]
    return found


def installed(folder: Path) -> Machine:
    """Switched on, with the first block of the page done."""
    checkout = folder / "checkout"
    test_wheel.built(ROOT, checkout / "dist")
    (checkout / "model.onnx").write_bytes(onnx_model(2.0))
    for name in ("deploy", "constraints.txt"):
        (checkout / name).symlink_to(ROOT / name)
    asked = subprocess.run([UV / "bin/uv", "cache", "dir"], capture_output=True, check=True)
    machine = Machine(folder, (ROOT, UV, Path(asked.stdout.decode().strip()), checkout))
    machine.switch_on()
    return machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    install, configure, *_ = blocks()
    made = installed(folder)
    try:
        real.until(made.is_up, what=made.console)
        made.run(f"cd {folder}/checkout; {install}", online=True)
        made.run("git init -q --bare -b main /srv/models.git; chown -R plimsoll: /srv/models.git")
        made.run(f"cd /root; {configure}")
        yield made
    finally:
        made.switch_off()


def said(machine: Machine) -> str:
    return machine.journal(*UNITS, lines="40")


def answers(machine: Machine) -> bool:
    asked = "curl -sf http://127.0.0.1:8440/readyz && curl -sf http://127.0.0.1:8441/livez"
    return machine.run(asked, check=False).strip().endswith("ok")


def test_what_is_started_answers_publishes_and_says_what_it_does(machine: Machine) -> None:
    """A model is looked at in a process without a network, inside the walls of the unit."""
    machine.run("curl -sf http://127.0.0.1:8440/livez")  # from the moment that it is started
    real.until(lambda: answers(machine), what=lambda: said(machine))
    assert machine.told(RECONCILER, "ActiveState") == "active"
    model = machine.folder / "checkout" / "model.onnx"
    machine.run(f"{AS_ADMIN} {PLIMSOLL} push digits {model} --key /root/publisher.pem")
    # The line is written when the answer has been sent.
    published = '"path": "/v1/models/digits/versions", "status": 201'
    real.until(lambda: published in machine.journal(REGISTRY), what=lambda: said(machine))
    doctor = f"runuser -u plimsoll -- {PLIMSOLL} doctor --config /etc/plimsoll/plimsoll.toml"
    assert "listed as reconciler" in machine.run(doctor, check=False)


def test_what_is_killed_is_started_again(machine: Machine) -> None:
    before = [machine.told(unit, "MainPID") for unit in UNITS]
    machine.run(f"systemctl kill --signal=KILL {' '.join(UNITS)}")
    real.until(
        lambda: all(machine.told(unit, "NRestarts") != "0" for unit in UNITS),
        what=lambda: said(machine),
    )
    real.until(lambda: answers(machine), what=lambda: said(machine))
    assert not set(before) & {machine.told(unit, "MainPID") for unit in UNITS}


def test_the_nightly_backup_is_made_and_verified(machine: Machine) -> None:
    machine.run("systemctl start plimsoll-backup")
    assert machine.told("plimsoll-backup", "Result") == "success"
    assert "intact" in machine.journal("plimsoll-backup")
    assert "plimsoll-backup.timer" in machine.run("systemctl list-timers --no-pager")


def test_a_unit_that_runs_can_write_nowhere_but_where_it_should(machine: Machine) -> None:
    pid = machine.told(REGISTRY, "MainPID")
    status = machine.run(f"cat /proc/{pid}/status")
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    inside = f"nsenter --target={pid} --mount -- runuser -u plimsoll -- sh -c"
    tried = "for place in /etc/plimsoll /opt /srv/models.git; do touch $place/x; done; touch {}/x"
    refused = machine.run(f"{inside} '{tried.format('/var/lib/plimsoll')}' 2>&1")
    assert refused.count("touch:") == 3, refused


def test_a_stop_is_no_failure(machine: Machine) -> None:
    real.until(lambda: answers(machine), what=lambda: said(machine))
    machine.run(f"systemctl restart {' '.join(UNITS)}")  # as after an upgrade
    machine.run("curl -sf http://127.0.0.1:8440/livez")
    real.until(lambda: answers(machine), what=lambda: said(machine))
    machine.run(f"systemctl stop {' '.join(UNITS)}")
    for unit in UNITS:
        properties = ("Result", "ActiveState", "ExecMainCode", "ExecMainStatus")
        found = [machine.told(unit, one) for one in properties]
        assert found == ["success", "inactive", "1", "0"], said(machine)  # 1: it exited
