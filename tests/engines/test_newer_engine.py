"""The next generation of Docker does what the installed one does, where the two could differ."""

from collections.abc import Iterator

import pytest

from tests.engines import docker_hosts, images, rigs, test_conformance, test_docker
from tests.engines.docker_hosts import Host
from tests.engines.rigs import Docker


@pytest.fixture(scope="module")
def host(built_images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    def start(host: Host) -> None:
        host.start_docker(docker_hosts.NEWER)

    folder = tmp_path_factory.mktemp("engine")
    with docker_hosts.alone(folder, start, (images.STANDIN, images.INGRESS)) as made:
        yield made


@pytest.fixture
def rig(host: Host) -> Iterator[Docker]:
    with rigs.docker_host(host.socket, reach=host.address) as made:
        yield made


docker_rig = rig

test_a_started_instance_becomes_healthy_and_says_what_it_is = (
    test_conformance.test_a_started_instance_becomes_healthy_and_says_what_it_is
)
test_a_killed_instance_is_seen_and_restarted = (
    test_conformance.test_a_killed_instance_is_seen_and_restarted
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
test_a_runtime_can_write_to_its_cache_and_nowhere_else = (
    test_docker.test_a_runtime_can_write_to_its_cache_and_nowhere_else
)
test_a_look_at_what_nobody_changed_finds_nothing_and_writes_nothing = (
    test_docker.test_a_look_at_what_nobody_changed_finds_nothing_and_writes_nothing
)
