"""Cables that are pulled and connections that only one side believes in, on real engines."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.engines.faults import fleet as fleets
from tests.engines.faults.fleet import Fleet
from tests.runtime import models, stand_in
from tests.runtime.process import ROOT, Runtime, pin

HALF = 2_000_000


def test_a_cable_pulled_mid_shift_fails_no_request_and_delays_no_other_host(fleet: Fleet) -> None:
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        version = fleet.deploy()
        fleets.until(lambda: north.answers[str(version)] > 0, "shift on north")
        fleet.north.cut()
        try:
            fleet.await_version(version, "south")
        finally:
            fleet.north.mend()
        fleet.await_converged(version)
    assert (north.failures, south.failures) == ([], [])
    fleet.assert_whole()


def test_a_connection_that_only_we_believe_in_is_given_up_and_made_anew(fleet: Fleet) -> None:
    """The host restarts its engine behind a pulled cable: nobody tells us that it hung up."""
    with fleet.reconciling() as loop, fleet.asking("north") as north:
        fleet.await_converged(fleet.version)
        fleets.until(lambda: "north" in loop.lanes.engines(), "look at north")
        assert loop.lanes.engines()["north"].observe().instances
        fleet.north.cut()
        fleet.north.kill_docker()
        fleets.start_docker(fleet.north)
        fleet.north.mend()
        fleet.await_converged(fleet.deploy())
    assert fleets.answered(north)
    fleet.assert_whole()


def test_an_engine_that_stands_still_and_then_crawls_delays_no_other_host(fleet: Fleet) -> None:
    crawling = threading.Event()
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        slow = threading.Thread(target=_crawl, args=(fleet, crawling))
        slow.start()
        try:
            version = fleet.deploy()
            fleet.await_version(version, "south")
        finally:
            crawling.set()
        fleet.await_converged(version)
        slow.join()
    assert (north.failures, south.failures) == ([], [])
    fleet.assert_whole()


def _crawl(fleet: Fleet, crawling: threading.Event) -> None:
    """Stopped at first; later it runs a tenth of the time, for three seconds."""
    tell = "kill -{} $(cat /run/docker.pid)"
    fleet.north.run(tell.format("STOP"))
    crawling.wait(60)
    for _ in range(15):
        fleet.north.run(tell.format("CONT"))
        time.sleep(0.02)
        fleet.north.run(tell.format("STOP"))
        time.sleep(0.18)
    fleet.north.run(tell.format("CONT"))
    # What started it stands still with it, and does not go on by itself.
    assert fleet.north.dockerd is not None
    fleet.north.dockerd.send_signal(signal.SIGCONT)


def test_a_pull_that_was_cut_off_goes_on_where_it_was(fleet: Fleet, tmp_path: Path) -> None:
    """A runtime on the host; its registry is held still half way, and then the cable is out."""
    registry, host = stand_in.StandIn(), fleet.south
    published = registry.publish(models.onnx_digits() | {"words.bin": bytes(4 * HALF)})
    with registry.answering(address=f"{host.lan.net}.1"):
        registry.url = f"http://{host.lan.net}.1:{registry.port}"
        registry.hold_after = HALF
        runtime = Runtime(tmp_path, registry, models=[pin(published)])
        runtime.write_config()
        command = ["nsenter", "-t", str(host.first_process), "-n", sys.executable, "-m", "runtime"]
        child = subprocess.Popen([*command, "--config", str(runtime.config)], cwd=ROOT)
        try:
            fleets.until(lambda: _has_part(runtime), "half of the file")
            host.cut()
            registry.release()
            fleets.pause(1.0)
            host.mend()
            fleets.until(lambda: "loaded" in _kinds(registry), "loaded version")
        finally:
            child.kill()
            child.wait()
    assert [asked for asked in registry.requests if asked.endswith(f" from {HALF}")]


def _has_part(runtime: Runtime) -> bool:
    return any(one.stat().st_size >= HALF for one in runtime.cache.rglob("*") if one.is_file())


def _kinds(registry: stand_in.StandIn) -> set[object]:
    return {event["kind"] for event in registry.events.values()}
