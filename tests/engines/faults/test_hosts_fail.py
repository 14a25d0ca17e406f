"""Engines, machines, containers and disks that fail under a running fleet."""

from tests.engines import images
from tests.engines.faults import fleet as fleets
from tests.engines.faults.fleet import Fleet


def test_an_engine_killed_mid_rollout_with_live_restore_cuts_nobody_off(fleet: Fleet) -> None:
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        with fleet.midway("north") as version:
            fleet.north.kill_docker()
        fleet.await_version(version, "south")
        lost = len(north.failures)
        fleets.start_docker(fleet.north)
        fleet.await_converged(version)
    assert (lost, south.failures) == (0, [])
    assert fleets.answered(north)
    fleet.assert_whole()


def test_an_engine_killed_mid_rollout_without_live_restore_comes_back(fleet: Fleet) -> None:
    """Its containers end when it starts again, and it starts them anew: that much is lost."""
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        with fleet.midway("south") as version:
            fleet.south.kill_docker()
        fleet.await_version(version, "north")
        lost = len(south.failures)
        fleets.start_docker(fleet.south)
        fleet.await_converged(version)
    assert (north.failures, lost) == ([], 0)
    fleet.assert_whole()


def test_a_machine_that_loses_its_power_mid_rollout_catches_up(fleet: Fleet) -> None:
    with fleet.reconciling(), fleet.asking("north") as north:
        with fleet.midway("south") as version:
            fleet.south.power_off()
        fleet.await_version(version, "north")
        fleets.come_back(fleet.south)
        fleet.await_converged(version)
    assert north.failures == []
    fleet.assert_whole()


def test_a_container_that_is_out_of_memory_is_back_and_harms_no_other(fleet: Fleet) -> None:
    with fleet.reconciling(), fleet.asking("south") as south:
        version = fleet.deploy()
        fleet.await_converged(version)
        (instance,) = fleets.instances(fleet.north)
        # The kernel is told to take the model first, as it does when that is what grew.
        grow = 'open("/proc/1/oom_score_adj", "w").write("1000"); b"x" * (1 << 30)'
        since = fleet.north.run("date +%s").strip()
        fleet.north.docker(f"exec {instance} python3 -c '{grow}'", check=False)
        heard = f"events --since {since} --until $(($(date +%s) + 1)) --filter event=oom"
        fleets.until(lambda: instance in fleet.north.docker(heard), "word of the lack of memory")
        fleet.await_converged(version)
    assert south.failures == []
    fleet.assert_whole()


def test_an_image_that_one_host_lacks_changes_no_host_until_it_is_there(fleet: Fleet) -> None:
    image, before = "plimsoll-standin:later", str(fleet.version)
    fleet.north.docker(f"tag {images.STANDIN} {image}")
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        version = fleet.deploy(image=image)
        fleets.until(lambda: f"image {image} is not on south" in fleet.waits(), "reason to wait")
        assert fleet.serving() == {before}
        assert len(fleets.instances(fleet.north)) == 1
        fleet.south.docker(f"tag {images.STANDIN} {image}")
        fleet.await_converged(version)
    assert (north.failures, south.failures) == ([], [])
    fleet.assert_whole()


def test_a_full_disk_starts_nothing_and_stops_nothing(fleet: Fleet) -> None:
    before, data = str(fleet.version), f"{fleet.south.folder}/data"
    with fleet.reconciling(), fleet.asking("north") as north, fleet.asking("south") as south:
        for size in ("1M", "4k"):
            fleet.south.run(f"dd if=/dev/zero of={data}/full{size} bs={size} 2>/dev/null || true")
        version = fleet.deploy()
        fleets.until(lambda: "no space left" in fleet.waits(), "word of the full disk")
        assert fleet.answering("south", patience=60) == before
        fleet.south.run(f"rm {data}/full*")
        fleet.await_converged(version)
    assert (north.failures, south.failures) == ([], [])
    fleet.assert_whole()
