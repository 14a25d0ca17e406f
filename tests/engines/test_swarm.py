"""A Docker Swarm of two nodes, each a host with an engine of its own, on a real network."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from reconciler import engines
from reconciler.core.observed import Health, InstanceSpec, Share, Sticky, StickyBy
from reconciler.core.usage import Usage
from reconciler.engines import swarm_listing, wire
from reconciler.engines.swarm import SwarmEngine
from registry import errors
from tests.engines import docker_hosts, images, load, rigs
from tests.engines.docker_hosts import Host
from tests.engines.rigs import previewed, route_to, served, start

# What no registry has, an engine looks for at home, once nobody answers there.
_NOBODY = "127.0.0.1:1/"
CANARY = "canary-5a1f"
_READ = "print(open('/run/plimsoll/environment.json').read())"
STANDIN, INGRESS = _NOBODY + images.STANDIN, _NOBODY + images.INGRESS


@dataclasses.dataclass
class Swarm(rigs.Docker):
    nodes: tuple[Host, ...] = ()

    def spec(self, version: int = 1, *, model: str = "digits") -> InstanceSpec:
        return dataclasses.replace(super().spec(version, model=model), image=STANDIN)

    def await_answers(self, spec: InstanceSpec) -> None:
        """Nodes hear from each other where a task is, some time after it is healthy."""
        rigs.await_health(self, spec, Health.HEALTHY)
        super().await_answers(spec)


@pytest.fixture(scope="module")
def nodes(
    built_images: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Host, Host]]:
    lan = docker_hosts.Lan(tmp_path_factory.mktemp("swarm"))
    try:
        lan.up()
        manager, worker = lan.add_host(), lan.add_host()
        for host, image in (
            (manager, images.STANDIN),
            (manager, images.INGRESS),
            (worker, images.STANDIN),
        ):
            host.load(image)
            host.docker(f"tag {image} {_NOBODY}{image}")
        manager.docker(f"swarm init --advertise-addr {manager.address}")
        token = manager.docker("swarm join-token -q worker").strip()
        worker.docker(f"swarm join --token {token} {manager.address}:2377")
        name = worker.docker("info --format {{.Name}}").strip()
        manager.docker(f"node update --label-add plimsoll.ingress=none {name}")
        yield manager, worker
    finally:
        lan.down()


@pytest.fixture
def swarm(nodes: tuple[Host, Host]) -> Iterator[Swarm]:
    manager = nodes[0]
    api = docker.APIClient(base_url=manager.socket, version="1.41", timeout=60)
    api.trust_env = False
    host, port = "west", 18501
    front = engines.Front(port=port, image=INGRESS)

    def connect() -> engines.Engine:
        return engines.connect(
            host=host,
            address=f"tcp://{manager.address}:2376",
            mode="swarm",
            front=front,
            state=Path("/nowhere"),
            credentials=manager.lan.credentials,
            timeout=30,
        )

    launch = rigs.Launch("http://registry.invalid", "a-secret-token", '{"secret": "trust"}')
    address = f"tcp://{manager.address}:2376"
    rig = Swarm(connect(), launch, connect, host, port, api, address, front, nodes)
    yield rig
    rig.engine.close()
    for service in manager.docker("service ls -q").split():
        manager.docker(f"service rm {service}")
    for kind in ("secret", "config"):
        assert wire.until(lambda kind=kind: _swept(manager, kind), timeout=90)
    # A service is gone before its tasks are, and the next test's may have the same name.
    assert wire.until(lambda: not any(_tasks(one) for one in nodes), timeout=150), nodes
    api.close()


def _tasks(node: Host) -> list[str]:
    """The containers of any task, ended ones as well."""
    return node.docker("ps -aq --filter label=com.docker.swarm.task").split()


def _swept(manager: Host, kind: str) -> bool:
    for one in manager.docker(f"{kind} ls -q").split():
        manager.docker(f"{kind} rm {one}", check=False)
    return not manager.docker(f"{kind} ls -q").strip()


def running_on(rig: Swarm, spec: InstanceSpec) -> list[str]:
    """The nodes of the tasks that run and shall go on."""
    found = rig.nodes[0].docker(
        f"service ps -f desired-state=running --format {{{{.Node}}}}={{{{.CurrentState}}}} "
        f"{spec.short_name}"
    )
    return sorted(one.partition("=")[0] for one in found.split("\n") if "=Running" in one)


def test_a_rollout_on_a_swarm_moves_traffic_and_leaves_nothing_behind(swarm: Swarm) -> None:
    one, two = swarm.spec(1), swarm.spec(2)
    assert swarm.engine.observe().instances == ()
    assert swarm.engine.preflight(one) == []
    _start_and_die(swarm, swarm.spec(9))
    start(swarm, one)
    assert (served(swarm), previewed(swarm, one)) == (None, 1)
    swarm.engine.route(route_to(one))
    assert served(swarm) == 1
    start(swarm, two)
    assert (served(swarm), previewed(swarm, two)) == (1, 2)
    with pytest.raises(errors.EngineRefused, match="still gets traffic"):
        swarm.engine.remove(one.name)
    swarm.engine.route(route_to(two))
    assert served(swarm) == 2
    swarm.engine.remove(one.name)
    before = swarm.engine.observe()
    assert [found.name for found in before.instances] == [two.name]
    assert before.routes == (route_to(two),)
    swarm.engine = swarm.reconnect()
    assert swarm.engine.observe() == before
    assert_saying_it_again_writes_nothing(swarm, two)
    assert len(swarm.nodes[0].docker("secret ls -q").split()) == 3
    told = wire.until(lambda: "serving digits 2" in swarm.engine.logs(two.name), timeout=60)
    assert told, swarm.engine.logs(two.name)
    has = swarm.engine.resources()
    assert (has.memory_bytes or 0) > 1 << 28
    assert has.used[two.name] == Usage(memory_limit=two.memory_bytes, cpu_limit=two.cpus)
    assert "does not say" in has.unknown
    swarm.engine.unroute("digits")
    assert served(swarm) is None


def _start_and_die(rig: Swarm, spec: InstanceSpec) -> None:
    """As one who is killed before there is a service; Git wants another version by then."""
    engine = rig.engine
    assert isinstance(engine, SwarmEngine)
    with engine._speaking("start") as api:
        engine._secrets(api, spec, rig.launch)


def test_networks_that_the_manager_did_not_list_are_taken_as_they_are(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list is empty, and no error, while it is too busy to ask the Swarm."""
    spec = swarm.spec()
    start(swarm, spec)
    monkeypatch.setattr(docker.APIClient, "networks", lambda *_, **__: [])
    swarm.engine.start(spec, swarm.launch)
    monkeypatch.undo()
    names = swarm.nodes[0].docker("network ls --format {{.Name}}").split()
    assert (names.count("plimsoll-models"), names.count("plimsoll-control")) == (1, 1)


def test_a_share_of_traffic_is_given_copied_and_taken_back(swarm: Swarm) -> None:
    """As a canary does it, then a shadow, under load all the while."""
    one, two = swarm.spec(1), swarm.spec(2)
    start(swarm, one)
    swarm.engine.route(route_to(one))
    swarm.engine.start(two, swarm.launch)
    # Not until it answers as well: that is up to the engine, before it gives anything to it.
    rigs.await_health(swarm, two, Health.HEALTHY)
    shared = dataclasses.replace(route_to(one), share=Share(two.name, weight=25, mirror=50))
    refused = dataclasses.replace(
        shared, share=Share(two.name, weight=25, sticky=Sticky(StickyBy.HEADER, "x-user"))
    )
    with pytest.raises(errors.EngineRefused, match="not by the header x-user"):
        swarm.engine.route(refused)
    with load.running(swarm.engine.front().url, pause=0.01) as clients:
        swarm.engine.route(shared)
        assert swarm.engine.observe().routes == (shared,)
        clients.answers.clear()
        clients.await_answers(200)
        answers = clients.answers
        assert 0.12 < answers["2"] / answers.total() < 0.38, answers
        with pytest.raises(errors.EngineRefused, match="still gets traffic"):
            swarm.engine.remove(two.name)
        swarm.engine.route(route_to(two))
        clients.await_everybody()
        clients.answers.clear()
        clients.await_answers(50)
        assert set(clients.answers) == {"2"}
    assert clients.failures == []


def assert_saying_it_again_writes_nothing(rig: Swarm, spec: InstanceSpec) -> None:
    # Swarm writes into a service itself, when an update of it is through.
    assert wire.until(lambda: not updating(rig), timeout=150), updating(rig)
    written = versions(rig)
    rig.engine.start(spec, rig.launch)
    rig.engine.route(route_to(spec))
    rig.engine.renew(spec, rig.launch)
    assert versions(rig) == written


def updating(rig: Swarm) -> list[str]:
    """The services of which an update is not through yet."""
    found = rig.api.services()  # type: ignore[no-untyped-call]
    states = {one["Spec"]["Name"]: (one.get("UpdateStatus") or {}).get("State") for one in found}
    return [name for name, state in states.items() if state not in (None, "", "completed")]


def versions(rig: Swarm) -> dict[str, int]:
    found = rig.api.services()  # type: ignore[no-untyped-call]
    return {one["Spec"]["Name"]: one["Version"]["Index"] for one in found}


def test_a_task_has_its_secret_and_nothing_that_the_swarm_shows_has_it(swarm: Swarm) -> None:
    launch = dataclasses.replace(swarm.launch, environment={"TOKEN": CANARY})
    rig = dataclasses.replace(swarm, launch=launch)
    spec = rig.spec()
    start(rig, spec)
    (name,) = running_on(rig, spec)
    (node,) = [one for one in rig.nodes if one.name == name]
    own = f"--filter label=com.docker.swarm.service.name={spec.short_name}"
    (container,) = node.docker(f"ps -q {own}").split()
    handed = node.docker(f'exec {container} python3 -c "{_READ}"')
    assert json.loads(handed) == {"TOKEN": CANARY}
    assert any("environment" in one for one in secrets_of(rig, spec))
    manager, service = rig.nodes[0], spec.short_name
    shown = [
        manager.docker(f"service inspect {service}"),
        manager.docker(f"service logs {service} 2>&1"),
        manager.docker(f"inspect {' '.join(manager.docker(f'service ps -q {service}').split())}"),
        manager.docker(f"secret inspect {' '.join(manager.docker('secret ls -q').split())}"),
        node.docker(f"inspect {container}"),
        node.docker(f"top {container}"),
        node.docker("ps --all --no-trunc"),
    ]
    assert all(shown)
    assert not [text for text in shown if CANARY in text]


def test_replicas_survive_drains_rotated_secrets_bad_updates_and_a_lost_node(swarm: Swarm) -> None:
    spec = dataclasses.replace(swarm.spec(1), settings='{"replicas":2}')
    start(swarm, spec)
    swarm.engine.route(route_to(spec))
    manager, worker = swarm.nodes
    names = sorted((manager.name, worker.name))
    assert running_on(swarm, spec) == names
    manager.docker(f"node update --availability drain {worker.name}")
    assert wire.until(lambda: running_on(swarm, spec) == [manager.name] * 2, timeout=90)
    assert served(swarm) == 1
    manager.docker(f"node update --availability active {worker.name}")
    first = secrets_of(swarm, spec)
    swarm.engine.renew(spec, dataclasses.replace(swarm.launch, token="another-token"))
    second = secrets_of(swarm, spec)
    assert (len(first & second), second != first) == (2, True)
    assert worker.name in running_on(swarm, spec)
    with pytest.raises(errors.EngineRefused, match="its former spec is back"):
        swarm.engine._update(  # type: ignore[attr-defined]
            swarm.api, service_of(swarm, spec), crashing(service_of(swarm, spec))
        )
    assert secrets_of(swarm, spec) == second
    assert served(swarm) == 1
    worker.cut()
    assert wire.until(lambda: running_on(swarm, spec) == [manager.name] * 2, timeout=150)
    # Connections to the lost task fail one by one, each after a few seconds.
    assert wire.until(lambda: rigs.answers(swarm, 1), timeout=90)
    worker.mend()


def service_of(rig: Swarm, spec: InstanceSpec) -> swarm_listing.Service:
    found: swarm_listing.Service = rig.api.inspect_service(spec.short_name)  # type: ignore[no-untyped-call]
    return found


def crashing(service: swarm_listing.Service) -> dict[str, object]:
    task = service["Spec"]["TaskTemplate"]
    container = task["ContainerSpec"] | {"Command": ["python3", "-c", "raise SystemExit(3)"]}
    return dict(service["Spec"], TaskTemplate=task | {"ContainerSpec": container})


def secrets_of(rig: Swarm, spec: InstanceSpec) -> set[str]:
    container = service_of(rig, spec)["Spec"]["TaskTemplate"]["ContainerSpec"]
    return {one["SecretName"] for one in container["Secrets"]}
