"""The exact things we would send to Docker, asserted without Docker."""

import dataclasses
import json

import pytest

from reconciler.core.observed import InstanceSpec
from reconciler.engines import commands, traefik
from reconciler.engines.protocol import Launch, Trial

SPEC = InstanceSpec(
    host="edge-1",
    deployment="production/digits",
    model="digits",
    version=2,
    digest="sha256:" + "2" * 64,
    format="onnx",
    image="plimsoll-runtime:1",
    memory_bytes=512 << 20,
    cpus=1.5,
    commit="c0ffee",
)
LAUNCH = Launch(
    "http://registry:8080", "plm_secret", '{"log": "trust-root"}', '{"signed": "by the reconciler"}'
)
FRONT = commands.IngressSpec(host="edge-1", image="traefik:v3.7", port=18080)


def test_a_runtime_container_is_exactly_this() -> None:
    assert commands.runtime_container(SPEC, start_interval=True) == {
        "Image": "plimsoll-runtime:1",
        "User": "10001:10001",
        "Cmd": ["--config", "/run/plimsoll/runtime.json"],
        "Labels": {
            "dev.plimsoll.managed": "true",
            "dev.plimsoll.kind": "runtime",
            "dev.plimsoll.host": "edge-1",
            "dev.plimsoll.deployment": "production/digits",
            "dev.plimsoll.model": "digits",
            "dev.plimsoll.version": "2",
            "dev.plimsoll.digest": SPEC.digest,
            "dev.plimsoll.spec": SPEC.spec_hash,
            "dev.plimsoll.commit": "c0ffee",
            "dev.plimsoll.memory": "536870912",
            "dev.plimsoll.nanocpus": "1500000000",
            "dev.plimsoll.pids": "512",
        },
        "Healthcheck": {
            "Timeout": 3_000_000_000,
            "Retries": 3,
            "StartPeriod": 120_000_000_000,
            "Interval": 5_000_000_000,
            "StartInterval": 500_000_000,
        },
        "StopSignal": "SIGTERM",
        "StopTimeout": 30,
        "Volumes": {"/run/plimsoll": {}},
        "HostConfig": {
            "NetworkMode": "plimsoll",
            "ReadonlyRootfs": True,
            "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"},
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Init": True,
            "PidsLimit": 512,
            "Memory": 536870912,
            "MemorySwap": 536870912,
            "NanoCpus": 1_500_000_000,
            "RestartPolicy": {"Name": "always"},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            "ExtraHosts": ["host.docker.internal:host-gateway"],
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": "plimsoll-cache-edge-1",
                    "Target": "/var/lib/plimsoll",
                }
            ],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {"plimsoll": {"Aliases": [f"i-{SPEC.spec_hash[:16]}"]}}
        },
    }


def test_an_old_engine_gets_no_field_it_does_not_know() -> None:
    timing = commands.runtime_container(SPEC, start_interval=False)["Healthcheck"]
    assert "StartInterval" not in timing
    assert timing["Interval"] == 5_000_000_000


def test_an_ingress_container_has_the_same_hardening_and_two_ports() -> None:
    body = commands.ingress_container(FRONT, traefik.command("/x.yml", grpc=False))
    ours = commands.runtime_container(SPEC, start_interval=False)["HostConfig"]
    for field in ("ReadonlyRootfs", "CapDrop", "SecurityOpt", "Init", "RestartPolicy", "Tmpfs"):
        assert body["HostConfig"][field] == ours[field]
    assert body["User"] == "10001:10001"
    assert body["HostConfig"]["PortBindings"] == {
        "8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "18080"}],  # noqa: S104
        "8081/tcp": [{"HostIp": "127.0.0.1", "HostPort": "19080"}],
    }
    assert body["Labels"]["dev.plimsoll.kind"] == "ingress"


@pytest.mark.parametrize("change", [{"port": 18081}, {"image": "traefik:v3.8"}, {"bind": "::1"}])
def test_another_ingress_is_told_apart_by_its_label(change: dict[str, object]) -> None:
    other = dataclasses.replace(FRONT, **change)  # type: ignore[arg-type]
    labels = [commands.ingress_container(spec, [])["Labels"] for spec in (FRONT, FRONT, other)]
    assert labels[0] == labels[1] != labels[2]


def test_no_secret_is_in_the_body_and_both_are_in_the_files() -> None:
    body = json.dumps(commands.runtime_container(SPEC, start_interval=True))
    files = commands.launch_files(SPEC, LAUNCH)
    assert "plm_secret" not in body
    assert "trust-root" not in body
    assert files["token"] == b"plm_secret"
    assert files["trust.json"] == LAUNCH.trust.encode()
    assert b"plm_secret" not in files["runtime.json"]


def test_the_labels_that_git_declares_lead_to_the_version_that_it_pins() -> None:
    spec = dataclasses.replace(SPEC, settings='{"labels":["canary","stable"]}')
    told = json.loads(commands.launch_files(spec, LAUNCH)["runtime.json"])
    assert told["policies"] == {
        "digits": {"versions": "active", "labels": {"canary": 2, "stable": 2}}
    }
    assert spec.spec_hash != SPEC.spec_hash


def test_the_runtime_is_told_what_to_serve_and_no_more() -> None:
    config = json.loads(commands.launch_files(SPEC, LAUNCH)["runtime.json"])
    assert config == {
        "listen": "0.0.0.0:8501",
        "cache": "/var/lib/plimsoll",
        "registry": "http://registry:8080",
        "tokenFile": "/run/plimsoll/token",
        "trustFile": "/run/plimsoll/trust.json",
        "host": "edge-1",
        "models": [
            {
                "model": "digits",
                "version": 2,
                "digest": SPEC.digest,
                "format": "onnx",
                "active": True,
                "deployment": SPEC.deployment,
                "permit": {"signed": "by the reconciler"},
            }
        ],
        "controlTokenFile": None,
    }


def test_an_upstream_name_fits_into_dns_however_long_the_deployment() -> None:
    long = dataclasses.replace(SPEC, deployment="production/" + "d" * 128)
    label = commands.upstream(long.spec_hash).removeprefix("http://").partition(":")[0]
    assert len(label) <= 63


def test_what_git_declares_of_a_model_stands_beside_its_version() -> None:
    spec = dataclasses.replace(SPEC, settings='{"isolation":"process","labels":["stable"]}')
    [found] = json.loads(commands.launch_files(spec, LAUNCH)["runtime.json"])["models"]
    assert found["isolation"] == "process"
    assert "labels" not in found
    assert spec.spec_hash != SPEC.spec_hash


def test_a_custom_test_can_write_to_its_tmp_and_has_no_network_but_its_own() -> None:
    trial = Trial("plimsoll-trial-1", SPEC.name, "team/checks:3", 64 << 20, 0.5, '{"url": "x"}')
    body = commands.trial_container(trial, host="edge-1", candidate="172.19.0.2")
    config = body["HostConfig"]
    assert (body["Env"], body["User"]) == (['PLIMSOLL_TRIAL={"url": "x"}'], "10001:10001")
    assert "Volumes" not in body
    assert "Mounts" not in config
    assert {name: config[name] for name in ("NetworkMode", "Dns", "ReadonlyRootfs", "CapDrop")} == {
        "NetworkMode": "plimsoll-trial-1",
        "Dns": ["127.0.0.1"],
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
    }
    assert config["ExtraHosts"] == ["candidate:172.19.0.2"]
    assert (config["Memory"], config["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (config["NanoCpus"], config["PidsLimit"]) == (500_000_000, 128)
    assert config["RestartPolicy"] == {"Name": "no"}


def test_an_environment_is_a_file_that_the_runtimes_own_file_names() -> None:
    launch = dataclasses.replace(LAUNCH, environment={"TOKEN": "plm_value"})
    files = commands.launch_files(SPEC, launch)
    assert json.loads(files["environment.json"]) == {"TOKEN": "plm_value"}
    told = json.loads(files["runtime.json"])
    assert told["environmentFile"] == "/run/plimsoll/environment.json"
    assert b"plm_value" not in files["runtime.json"]
    assert "plm_value" not in repr(launch)
    assert "environmentFile" not in json.loads(commands.launch_files(SPEC, LAUNCH)["runtime.json"])
