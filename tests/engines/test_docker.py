"""What only a real Docker Engine shows: no dropped request, no write while looking, no way out."""

import dataclasses
import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench import counting
from reconciler import engines
from reconciler.core.observed import Health
from reconciler.engines import archives, commands, ingress, traefik, wire
from reconciler.engines.protocol import Endpoint
from registry import errors
from tests.engines import images, load, rigs
from tests.engines.rigs import Docker, route_to, seen, serve, served, start

_READING = {"archive-path"}  # what Docker calls reading a file


def _events(rig: Docker, since: float) -> set[str]:
    """What happened to our containers, volumes and networks, health checks apart."""
    found = rig.api.events(since=int(since), until=int(time.time()) + 1, decode=True)
    kinds = set()
    for event in found:
        attributes = event["Actor"]["Attributes"]
        if rig.host in json.dumps(attributes) and not event["Action"].startswith(
            ("exec_", "health")
        ):
            kinds.add(event["Action"])
    return kinds


def _run(rig: Docker, name: str, code: str) -> str:
    """The output of Python code inside a container."""
    made = rig.api.exec_create(name, ["python3", "-c", code])
    return str(rig.api.exec_start(made["Id"]).decode())


def test_looking_at_a_converged_host_writes_nothing(docker_rig: Docker) -> None:
    serve(docker_rig, docker_rig.spec())
    time.sleep(1.1)  # events are told apart by the second
    since = time.time()
    for _ in range(3):
        docker_rig.engine.observe()
    docker_rig.engine.start(docker_rig.spec(), docker_rig.launch)
    docker_rig.engine.route(route_to(docker_rig.spec()))
    docker_rig.engine.preflight(docker_rig.spec())
    assert _events(docker_rig, since) <= _READING


def test_a_look_at_what_nobody_changed_finds_nothing_and_writes_nothing(
    docker_rig: Docker,
) -> None:
    """Engines add defaults of their own to what was asked for. Counted are their HTTP requests."""
    serve(docker_rig, docker_rig.spec())
    with tempfile.TemporaryDirectory() as folder:  # a socket's path has 107 bytes at most
        socket = Path(folder, "engine.sock")
        with counting.proxy(socket, Path(urlsplit(docker_rig.address).path)) as calls:
            engine = engines.connect(
                host=docker_rig.host,
                address=f"unix://{socket}",
                front=docker_rig.front,
                state=Path("/nowhere"),
            )
            states = [engine.observe() for _ in range(3)]
            engine.close()
    assert [one.drift for state in states for one in state.instances] == ["", "", ""]
    assert {(state.ingress_ready, state.ingress_drift) for state in states} == {(True, "")}
    assert len(calls.seen) > 3
    assert calls.writes() == []


def test_no_request_fails_while_versions_are_switched_and_removed(docker_rig: Docker) -> None:
    one, two, three = (docker_rig.spec(version) for version in (1, 2, 3))
    serve(docker_rig, one)
    with load.running(docker_rig.engine.front().url) as clients:
        start(docker_rig, two)
        for spec in (two, one, two, one, two):
            docker_rig.engine.route(route_to(spec))
        docker_rig.engine.remove(one.name)
        serve(docker_rig, three)
        docker_rig.engine.remove(two.name)
        clients.await_everybody()
    assert clients.failures == []
    assert {"1", "2", "3"} <= clients.answers.keys()


def test_a_request_under_way_is_answered_by_the_version_that_is_being_removed(
    docker_rig: Docker,
) -> None:
    one = docker_rig.spec(1)
    serve(docker_rig, one)
    start(docker_rig, docker_rig.spec(2))
    url = docker_rig.engine.front().url + "/v1/models/digits:predict"
    answers: list[wire.Answer] = []
    slow = threading.Thread(
        target=lambda: answers.append(
            wire.ask(url, method="POST", headers={"test-delay": "3"}, body=b"{}", timeout=60)
        )
    )
    slow.start()
    assert wire.until(lambda: "asked to take" in docker_rig.engine.logs(one.name), timeout=60)
    docker_rig.engine.route(route_to(docker_rig.spec(2)))
    docker_rig.engine.remove(one.name)
    slow.join()
    assert [answer.headers["plimsoll-version"] for answer in answers] == ["1"]


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [
        ("/v1/models/digits", True),
        ("/v1/models/digits:predict", True),
        ("/v1/models/digits/versions/1:predict", True),
        ("/v2/models/digits/infer", True),
        ("/v1/models/digits2:predict", False),
        ("/v1/models/digit", False),
        ("/v3/models/digits", False),
        ("/plimsoll/status", False),
        ("/metrics", False),
        ("/", False),
    ],
)
def test_clients_reach_the_routed_model_and_nothing_else(
    served_digits: Docker, path: str, is_ours: bool
) -> None:
    answer = wire.ask(served_digits.engine.front().url + path, timeout=60)
    assert (answer.status == 200) is is_ours
    assert (answer.headers.get(ingress.INSTANCE_HEADER) is not None) is is_ours


@pytest.fixture(scope="module")
def served_digits(built_images: None) -> Any:
    with rigs.docker_host() as rig:
        serve(rig, rig.spec())
        yield rig


def test_only_who_knows_the_secret_can_preview(docker_rig: Docker) -> None:
    spec = docker_rig.spec()
    start(docker_rig, spec)
    known = docker_rig.engine.preview(spec.name)
    wrong = {**known.headers, ingress.SECRET_HEADER: "0" * 32}
    without = {ingress.INSTANCE_HEADER: spec.name}
    for headers in (wrong, without):
        assert (
            docker_rig.answering(Endpoint(known.url, headers), "/v1/models/digits:predict") is None
        )
    front = Endpoint(docker_rig.engine.front().url, known.headers)
    assert docker_rig.answering(front, "/v1/models/digits:predict") is None
    body = wire.ask(f"{known.url}/anything", headers=known.headers, timeout=60).body
    assert known.headers[ingress.SECRET_HEADER] not in body.decode()


def test_a_runtime_can_write_to_its_cache_and_nowhere_else(docker_rig: Docker) -> None:
    spec = docker_rig.spec()
    start(docker_rig, spec)
    status = _run(docker_rig, spec.name, "print(open('/proc/self/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Uid:\t10001\t10001" in status
    attempts = {
        "/var/lib/plimsoll/x": "written",
        "/tmp/x": "written",
        "/x": "Read-only file system",
        "/run/plimsoll/x": "Permission denied",
        "/run/plimsoll/token": "Permission denied",
    }
    for path, outcome in attempts.items():
        code = f"try:\n open({path!r}, 'w'); print('written')\nexcept OSError as e: print(e)"
        assert outcome in _run(docker_rig, spec.name, code), path


def test_secrets_are_in_files_and_not_in_what_docker_shows(docker_rig: Docker) -> None:
    spec = docker_rig.spec()
    start(docker_rig, spec)
    read = _run(docker_rig, spec.name, "print(open('/run/plimsoll/token').read())")
    assert read.strip() == docker_rig.launch.token
    shown = json.dumps(docker_rig.api.inspect_container(spec.name))
    assert docker_rig.launch.token not in shown
    assert docker_rig.launch.trust not in shown


def test_removing_an_instance_leaves_no_volume_behind(docker_rig: Docker) -> None:
    spec = docker_rig.spec()
    start(docker_rig, spec)
    mounts = docker_rig.api.inspect_container(spec.name)["Mounts"]
    anonymous = next(m["Name"] for m in mounts if m["Destination"] == commands.LAUNCH_FOLDER)
    docker_rig.engine.remove(spec.name)
    left = {volume["Name"] for volume in docker_rig.api.volumes()["Volumes"]}
    assert anonymous not in left
    assert commands.cache_volume(docker_rig.host) in left


def test_an_ingress_that_was_deleted_comes_back_with_its_routes(docker_rig: Docker) -> None:
    serve(docker_rig, docker_rig.spec(1))
    serve(docker_rig, docker_rig.spec(2, model="words"))
    docker_rig.api.remove_container(f"plimsoll-ingress-{docker_rig.host}", force=True)
    assert docker_rig.engine.observe().routes == ()
    docker_rig.engine.route(route_to(docker_rig.spec(1)))
    assert (served(docker_rig), served(docker_rig, "words")) == (1, 2)


def test_an_ingress_of_another_make_is_renewed_and_keeps_its_routes(docker_rig: Docker) -> None:
    serve(docker_rig, docker_rig.spec())
    front = engines.Front(port=rigs.free_port(), image=images.INGRESS)
    moved = engines.connect(
        host=docker_rig.host, address=rigs.SOCKET, front=front, state=Path("/nowhere")
    )
    try:
        state = moved.observe()
        assert (state.ingress_ready, state.routes) == (False, (route_to(docker_rig.spec()),))
        moved.route(route_to(docker_rig.spec()))
        assert moved.observe().ingress_ready
        assert docker_rig.answering(moved.front(), "/v1/models/digits:predict") == 1
    finally:
        moved.close()


def test_routes_that_somebody_spoiled_are_written_anew(docker_rig: Docker) -> None:
    serve(docker_rig, docker_rig.spec())
    name = f"plimsoll-ingress-{docker_rig.host}"
    spoiled = archives.pack({traefik.FILE: b"http: ["})
    docker_rig.api.put_archive(name, commands.ROUTES_FOLDER, spoiled)
    state = docker_rig.engine.observe()
    assert (state.routes, state.ingress_ready) == ((), False)
    with pytest.raises(errors.EngineRefused, match="no routes"):
        docker_rig.engine.remove(docker_rig.spec().name)
    docker_rig.engine.route(route_to(docker_rig.spec()))
    assert docker_rig.engine.observe().routes == (route_to(docker_rig.spec()),)
    assert served(docker_rig) == 1


def test_a_missing_image_fails_preflight_and_start_and_is_never_pulled(docker_rig: Docker) -> None:
    spec = dataclasses.replace(docker_rig.spec(), image="plimsoll-nowhere:1")
    assert docker_rig.engine.preflight(spec) == [
        f"image plimsoll-nowhere:1 is not on {docker_rig.host}"
    ]
    with pytest.raises(errors.EngineRefused, match="plimsoll-nowhere:1"):
        docker_rig.engine.start(spec, docker_rig.launch)
    assert docker_rig.engine.observe().instances == ()


def test_what_crashes_over_and_over_is_unhealthy(docker_rig: Docker) -> None:
    spec = dataclasses.replace(docker_rig.spec(), format="crash")
    docker_rig.engine.start(spec, docker_rig.launch)
    rigs.await_health(docker_rig, spec, Health.UNHEALTHY)
    assert "told to crash" in docker_rig.engine.logs(spec.name)
    docker_rig.engine.remove(spec.name)
    assert seen(docker_rig, spec) is None


def test_containers_of_others_are_left_alone(docker_rig: Docker) -> None:
    made = docker_rig.api.create_container("plimsoll-standin:test", name=f"{docker_rig.host}-x")
    try:
        docker_rig.engine.remove(f"{docker_rig.host}-x")
        assert docker_rig.engine.observe().instances == ()
        assert docker_rig.api.inspect_container(made["Id"])["State"]["Status"] == "created"
    finally:
        docker_rig.api.remove_container(made["Id"])


def test_hosts_that_share_an_engine_do_not_see_each_other(docker_rig: Docker) -> None:
    with rigs.docker_host() as other:
        serve(docker_rig, docker_rig.spec(1))
        serve(other, other.spec(2))
        assert (served(docker_rig), served(other)) == (1, 2)
        assert [one.host for one in other.engine.observe().instances] == [other.host]
