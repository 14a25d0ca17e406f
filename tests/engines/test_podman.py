"""Podman's Docker API, as far as docs/engines.md says that we use it."""

from collections.abc import Iterator

import pytest

from reconciler.core.observed import Health, Phase
from reconciler.engines import wire
from tests.engines import docker_hosts, images, rigs, test_conformance, test_docker
from tests.engines.docker_hosts import Host
from tests.engines.rigs import Docker


@pytest.fixture(scope="module")
def host(built_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("engine")
    with docker_hosts.alone(folder, Host.start_podman, (images.STANDIN, images.INGRESS)) as made:
        yield made


@pytest.fixture
def rig(host: Host) -> Iterator[Docker]:
    with rigs.docker_host(host.socket, reach=host.address) as made:
        yield made


docker_rig = rig

test_routing_takes_effect_before_it_returns = (
    test_conformance.test_routing_takes_effect_before_it_returns
)
test_a_crash_between_create_and_start_is_finished_by_starting_again = (
    test_conformance.test_a_crash_between_create_and_start_is_finished_by_starting_again
)
test_a_lost_ingress_is_noticed_and_routing_brings_it_back = (
    test_conformance.test_a_lost_ingress_is_noticed_and_routing_brings_it_back
)
test_a_death_is_told_to_who_listens_and_listening_ends_when_it_is_closed = (
    test_conformance.test_a_death_is_told_to_who_listens_and_listening_ends_when_it_is_closed
)
test_a_look_at_what_nobody_changed_finds_nothing_and_writes_nothing = (
    test_docker.test_a_look_at_what_nobody_changed_finds_nothing_and_writes_nothing
)


def test_what_was_killed_is_seen_and_started_again(rig: Docker) -> None:
    """Podman's own health checks are timers of systemd, which a host need not have: the lanes ask
    instances themselves."""
    spec = rig.spec()
    rigs.serve(rig, spec)
    has = rig.engine.resources()
    assert (has.memory_bytes or 0) > 1 << 28
    used = has.used[spec.name]
    assert used.memory_limit == spec.memory_bytes
    # What the kernel here does not let podman count is unknown, and never zero.
    assert used.memory_bytes is None or used.memory_bytes > 1 << 20
    assert (used.memory_bytes is None) == ("memory" in has.unknown)
    rig.kill(spec)
    found = rigs.seen(rig, spec)
    assert found is not None
    assert (found.phase, found.health) == (Phase.EXITED, Health.NONE)
    rig.engine.restart(spec.name)
    assert wire.until(lambda: rigs.answers(rig, 1), timeout=60)
