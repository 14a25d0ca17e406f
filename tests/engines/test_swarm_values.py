"""What is sent to a Swarm and what is read from it, without one."""

import dataclasses
import json
from typing import Any

from reconciler.core.observed import Health, InstanceSpec
from reconciler.engines import swarm_listing, swarm_specs
from reconciler.engines.commands import IngressSpec
from reconciler.engines.protocol import Launch

SPEC = InstanceSpec(
    host="west",
    deployment="production/digits",
    model="digits",
    version=7,
    digest="sha256:" + "7" * 64,
    format="onnx",
    image="registry.example/runtime@sha256:" + "a" * 64,
    memory_bytes=64 << 20,
    cpus=0.5,
    commit="c0ffee",
    settings='{"replicas":2}',
)
LAUNCH = Launch("http://registry", "plm_secret", '{"root": 1}', '{"permit": 1}')
INGRESS = IngressSpec("west", "traefik@sha256:" + "b" * 64, 8501)


def files() -> dict[str, swarm_specs.File]:
    return {f"id{n}": file for n, file in enumerate(swarm_specs.secrets(SPEC, LAUNCH))}


def test_the_name_of_an_environment_says_nothing_of_what_is_in_it() -> None:
    """A name is public, and a password can be guessed against a digest of it."""
    launches = [dataclasses.replace(LAUNCH, environment={"TOKEN": value}) for value in ("a", "b")]
    names = [
        [file.name for file in swarm_specs.secrets(SPEC, launch) if "environment" in file.name]
        for launch in launches
    ]
    assert names[0] == names[1]
    asked = dataclasses.replace(
        SPEC, settings='{"env":[{"name":"TOKEN","sealed":"1","secret":"a/b"}]}'
    )
    (other,) = [
        file.name for file in swarm_specs.secrets(asked, launches[0]) if "environment" in file.name
    ]
    assert [other] != names[0]
    assert len(other) <= 64


def service(**fields: Any) -> dict[str, Any]:
    body = swarm_specs.runtime_service(SPEC, files())
    return {"ID": "s", "Spec": {"Labels": body["labels"], "Mode": body["mode"]}, **fields}


def task(state: str, *, wanted: str = "running", **status: Any) -> dict[str, Any]:
    return {"ServiceID": "s", "DesiredState": wanted, "Status": {"State": state, **status}}


def test_an_instance_is_a_hardened_service_that_never_rolls_back_by_itself() -> None:
    body = swarm_specs.runtime_service(SPEC, files())
    container = body["task_template"]["ContainerSpec"]
    assert body["name"] == SPEC.short_name
    assert container["Image"] == SPEC.image
    assert container["ReadOnly"]
    assert container["CapabilityDrop"] == ["ALL"]
    assert body["mode"] == {"Replicated": {"Replicas": 2}}
    assert body["update_config"]["Order"] == "start-first"
    assert body["update_config"]["FailureAction"] == "pause"
    assert body["endpoint_spec"] == {"Mode": "dnsrr"}
    assert body["task_template"]["Resources"]["Reservations"]["MemoryBytes"] == 64 << 20


def test_what_is_secret_is_in_no_service_and_has_another_name_once_it_is_another() -> None:
    body = swarm_specs.runtime_service(SPEC, files())
    assert "plm_secret" not in json.dumps(body)
    names = {file.name for file in swarm_specs.secrets(SPEC, LAUNCH)}
    later = dataclasses.replace(LAUNCH, token="plm_other")
    others = {file.name for file in swarm_specs.secrets(SPEC, later)}
    assert len(names & others) == 2
    assert all(len(name) <= 64 for name in names | others)
    assert {file.path for file in files().values()} == {
        "/run/plimsoll/runtime.json",
        "/run/plimsoll/token",
        "/run/plimsoll/trust.json",
    }


def test_models_cannot_reach_what_hands_out_routes() -> None:
    file = swarm_specs.File("routes", "/etc/plimsoll/routes.json", b"{}")
    routes = swarm_specs.routes_service(INGRESS, SPEC.image, ("c", file))
    model = swarm_specs.runtime_service(SPEC, files())
    front = swarm_specs.ingress_service(INGRESS)
    reached = [
        {one["Target"] for one in body["task_template"]["Networks"]}
        for body in (routes, model, front)
    ]
    assert reached[0].isdisjoint(reached[1])
    assert reached[2] == reached[0] | reached[1]
    assert [port["PublishMode"] for port in front["endpoint_spec"]["Ports"]] == ["host", "host"]


def test_it_is_healthy_once_all_replicas_run() -> None:
    def health(*tasks: dict[str, Any]) -> Health:
        return swarm_listing.instance(service(), tasks).health

    assert health(task("running"), task("running")) is Health.HEALTHY
    assert health(task("running"), task("starting")) is Health.STARTING
    assert health() is Health.STARTING
    assert health(task("running"), task("failed", wanted="shutdown")) is Health.UNHEALTHY
    lost = task("running", wanted="shutdown")
    assert health(task("running"), lost) is Health.STARTING


def test_trouble_is_told_in_the_latest_tasks_words() -> None:
    tasks = [
        task("running"),
        task("rejected", wanted="shutdown", Err="No such image", Timestamp="2026-01-01T00:00:01Z"),
        task("failed", wanted="shutdown", Err="exit (3)", Timestamp="2026-01-01T00:00:02Z"),
    ]
    found = swarm_listing.instance(service(), tasks)
    assert found.detail == "1 of 2 replicas run: exit (3)"
    assert found.missing == 1
    assert (found.name, found.version) == (SPEC.name, 7)


def test_room_is_counted_on_nodes_that_take_tasks() -> None:
    def node(name: str, availability: str = "active", state: str = "ready") -> dict[str, Any]:
        return {
            "ID": name,
            "Status": {"State": state},
            "Spec": {"Availability": availability},
            "Description": {"Resources": {"MemoryBytes": 1000}},
        }

    held = {**task("running"), "NodeID": "a", "Spec": {"Resources": {"Reservations": {}}}}
    held["Spec"]["Resources"]["Reservations"]["MemoryBytes"] = 700
    ended = {**held, "Status": {"State": "failed"}}
    promises = swarm_listing.promised([held, ended])
    assert promises == {"a": 700}
    nodes = [node("a"), node("b"), node("c", "drain"), node("d", state="down")]
    assert swarm_listing.places(nodes, promises, 300) == 1 + 3
