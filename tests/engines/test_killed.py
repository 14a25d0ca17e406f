"""A real reconciler on a real engine, killed by SIGKILL at every effect, while clients ask."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.engines import wire
from registry.core.entries import Kind
from tests.engines import load, sites
from tests.engines.rigs import Docker
from tests.engines.sites import Site

BLUE_GREEN = "blueGreen: {scaleDownDelaySeconds: 1}"
CANARY = "canary: {steps: [{setWeight: 50}, {pause: {duration: 1s}}], scaleDownDelaySeconds: 1}"


@contextmanager
def mortal(here: Site) -> Iterator[Path]:
    """A reconciler that dies at each effect; the file says of which ones it did."""
    deaths = here.folder / "deaths"
    deaths.write_text("")
    command = [sys.executable, "-m", "tests.engines.mortal", str(here.config), str(deaths)]
    with (here.folder / "mortal.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield deaths
        assert process.poll() is None, _tail(here)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tail(here: Site) -> str:
    return (here.folder / "mortal.log").read_text()[-3000:]


def _died(here: Site, deaths: Path, version: int) -> set[str]:
    """Of what, until `version` serves alone and there is nothing left to die of."""

    def is_over() -> bool:
        return here.has_settled(version) and "within remove" in deaths.read_text()

    assert wire.until(is_over, timeout=300), _tail(here)
    return set(deaths.read_text().splitlines())


def test_killed_at_each_effect_it_converges_and_no_request_fails(
    docker_rig: Docker, tmp_path: Path
) -> None:
    with sites.site(tmp_path, docker_rig) as here:
        here.ask_for(BLUE_GREEN)
        with sites.reconciled(here) as until:
            until(lambda: here.has_settled(1))
        url = docker_rig.engine.front().url
        with load.running(url, clients=2, pause=0.02) as clients, mortal(here) as deaths:
            here.ask_for(BLUE_GREEN)
            died = _died(here, deaths, 2)
            assert {"before preflight", "after preflight"} <= died
            for effect in ("start", "route", "remove"):
                assert {f"before {effect}", f"within {effect}"} <= died
            assert {"after proceed 0 promoting", "after proceed 1 baking", "after settle"} <= died
            clients.await_everybody()
            assert set(clients.answers) == {"1", "2"}
            here.ask_for(CANARY)
            died = _died(here, deaths, 3) - died
            assert {"before shift 50", "within shift 50", "after proceed 1 waiting"} <= died
            clients.await_everybody()
            # What was done is told a moment later; nobody would be left to tell it.
            assert wire.until(lambda: (Kind.REMOVED, 2) in here.log(), timeout=60)
        assert clients.failures == []
        assert set(clients.answers) == {"1", "2", "3"}
        wanted = [
            (Kind.STARTING, 2), (Kind.STARTED, 2), (Kind.DEPLOYING, 2), (Kind.DEPLOYED, 2),
            (Kind.REMOVED, 1),
            (Kind.STARTING, 3), (Kind.STARTED, 3), (Kind.SHIFTING, 3), (Kind.SHIFTED, 3),
            (Kind.DEPLOYING, 3), (Kind.DEPLOYED, 3), (Kind.REMOVED, 2),
        ]  # fmt: skip
        assert [one for one in dict.fromkeys(here.log()) if one in wanted] == wanted
