"""What fails around the hosts: registry, Git, clock, and a second reconciler."""

import time

from reconciler import state
from reconciler.loop import Loop
from tests.engines.faults import fleet as fleets
from tests.engines.faults.fleet import Fleet
from tests.reconciler import town


def test_without_the_registry_nothing_new_starts_and_what_dies_is_brought_back(
    fleet: Fleet,
) -> None:
    before = fleet.version
    fleet.publish()
    with fleet.reconciling(), fleet.asking("south") as south:
        fleet.await_version(before)
        fleet.stop_registry()
        try:
            fleet.origin.commit({town.DEPLOYMENT: fleet.wish()}, "Serve another")
            fleets.kill_instance(fleet.north)
            fleet.await_version(before)
            assert [len(fleets.instances(host)) for host in fleet.hosts.values()] == [1, 1]
        finally:
            fleet.restart_registry()
        fleet.await_converged(fleet.version)
    assert south.failures == []
    fleet.assert_whole()


def test_without_git_nothing_changes_and_what_dies_is_brought_back(fleet: Fleet) -> None:
    before, away = fleet.version, fleet.folder / "away.git"
    with fleet.reconciling(), fleet.asking("south") as south:
        fleet.await_version(before)
        origin = fleet.folder / "remote" / "origin.git"
        origin.rename(away)
        try:
            fleets.kill_instance(fleet.north)
            fleet.await_version(before)
        finally:
            away.rename(origin)
        fleet.await_converged(fleet.deploy())
    assert south.failures == []
    fleet.assert_whole()


def test_history_that_was_rewritten_changes_nothing_until_a_person_accepts_it(
    fleet: Fleet,
) -> None:
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        with fleet.midway("north") as version:
            fleet.origin.git("reset", "--quiet", "--hard", "HEAD~1")
            fleet.publish()
            (fleet.origin.work / town.DEPLOYMENT).write_text(fleet.wish())
            fleet.origin.git("commit", "--quiet", "--all", "-m", "Serve another instead")
            fleet.origin.git("push", "--quiet", "--force", "origin", "main")
        fleet.await_version(version)
        fleets.until(lambda: "rewritten" in fleet.waits(), "word of the rewritten history")
        head = fleet.origin.git("rev-parse", "HEAD")
        state.leave_wish(fleet.folder / "alone" / "reconciler", head, "it was meant")
        fleet.await_converged(fleet.version)
    assert (north.failures, south.failures) == ([], [])
    fleet.assert_whole()


def test_a_clock_that_jumps_mid_rollout_condemns_no_version(fleet: Fleet) -> None:
    """Two hours ahead while a version starts, and a day back while its traffic moves."""
    with fleet.reconciling() as loop, fleet.asking("north") as north:
        with fleet.midway("north") as version:
            _jump(loop, 7200.0)
        _jump(loop, -86400.0)
        fleet.await_converged(version)
        fleet.await_version(fleet.deploy())
    assert north.failures == []
    fleet.assert_whole()


def _jump(loop: Loop, seconds: float) -> None:
    """Returns once the reconciler has gone by that clock for some rounds."""
    asked: list[float] = []

    def clock() -> float:
        asked.append(time.time() + seconds)
        return asked[-1]

    loop.clock = loop.source._clock = clock
    fleets.until(lambda: len(asked) > 5, "look at the clock")


def test_two_reconcilers_never_change_one_host_at_the_same_time(fleet: Fleet) -> None:
    with fleet.asking("north") as north, fleet.asking("south") as south, fleet.reconciling("blue"):
        fleet.await_converged(fleet.version)
        with fleet.reconciling("green"), fleet.midway("north") as version:
            pass
        fleet.await_converged(version)
    assert (north.failures, south.failures) == ([], [])
    fleet.assert_whole()
