"""What we would send to Docker, as values: the bodies of POST /containers/create. Pure.

Tests assert them exactly, without Docker. Nothing secret is ever in a body: tokens and the
trust root travel as files, put into the container between its creation and its start.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from reconciler.core import runtimefile
from reconciler.core.observed import InstanceSpec
from reconciler.engines.protocol import Launch, Trial

LABEL = "dev.plimsoll"
NETWORK = "plimsoll"
# Not unless-stopped: an engine that was killed itself stops what it finds running when
# it comes back, takes that for our wish, and leaves it stopped.
RESTART_POLICY = "always"
LAUNCH_FOLDER = runtimefile.LAUNCH_FOLDER
CACHE_FOLDER = runtimefile.CACHE_FOLDER
ROUTES_FOLDER = "/etc/plimsoll"
RUNTIME_PORT = runtimefile.RUNTIME_PORT
GRPC_PORT = runtimefile.GRPC_PORT
PREVIEW_OFFSET = 1000
GRACE_SECONDS = 30
# A name that is gone for a moment, with its container, must not be waited for: all requests share
# one look-up, and where no name server can be reached that takes five seconds, twice.
_DNS = ["timeout:1", "attempts:1"]
_PIDS = 512
_TRIAL_PIDS = 128
_SECOND = 1_000_000_000  # Docker counts nanoseconds

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class IngressSpec:
    """The one front of a host; the preview port lies `PREVIEW_OFFSET` above `port`. gRPC has the
    door `grpc_port`, where that is not 0, and Prometheus `metrics_port`; `arguments` are what the
    proxy is told besides."""

    host: str
    image: str
    port: int
    bind: str = "0.0.0.0"  # noqa: S104  clients come from other machines
    preview_bind: str = "127.0.0.1"
    grpc_port: int = 0
    metrics_port: int = 0
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"plimsoll-ingress-{self.host}"

    @property
    def preview_port(self) -> int:
        return self.port + PREVIEW_OFFSET


def owned_by(host: str) -> list[str]:
    """The label filters that pick out what is ours on `host`."""
    return [f"{LABEL}.managed=true", f"{LABEL}.host={host}"]


def cache_volume(host: str) -> str:
    return f"plimsoll-cache-{host}"


def alias(spec_hash: str) -> str:
    """An instance's name on the network: its own may pass DNS's 63."""
    return f"i-{spec_hash[:16]}"


def upstream(spec_hash: str) -> str:
    """Where the ingress finds an instance."""
    return f"http://{alias(spec_hash)}:{RUNTIME_PORT}"


def grpc_upstream(upstream: str) -> str:
    """Where the same instance speaks gRPC, if it does."""
    return f"h2c://{upstream.removeprefix('http://').rpartition(':')[0]}:{GRPC_PORT}"


def runtime_container(spec: InstanceSpec, *, start_interval: bool) -> Body:
    """A runtime that can write to its cache and its /tmp and to nothing else.

    The launch folder is an anonymous volume: it is created and removed with its container.
    """
    host_config = _hardened(memory_bytes=spec.memory_bytes, pids=_PIDS) | {
        "NanoCpus": round(spec.cpus * 1e9),
        "ExtraHosts": ["host.docker.internal:host-gateway"],
        "Mounts": [_volume(cache_volume(spec.host), CACHE_FOLDER)],
    }
    return {
        "Image": spec.image,
        "User": "10001:10001",
        "Cmd": ["--config", f"{LAUNCH_FOLDER}/runtime.json"],
        "Labels": runtime_labels(spec),
        "Healthcheck": _health_timing(start_interval=start_interval),
        "StopSignal": "SIGTERM",
        "StopTimeout": GRACE_SECONDS,
        "Volumes": {LAUNCH_FOLDER: {}},
        "HostConfig": host_config,
        "NetworkingConfig": {"EndpointsConfig": {NETWORK: {"Aliases": [alias(spec.spec_hash)]}}},
    }


def launch_files(spec: InstanceSpec, launch: Launch) -> dict[str, bytes]:
    """What a runtime reads at its start, by file name under the launch folder."""
    told = runtimefile.document(spec, registry=launch.registry_url, permit=launch.permit)
    told |= runtimefile.environment_file(launch.environment)
    files = {
        runtimefile.FILE: json.dumps(told, indent=1).encode(),
        "token": launch.token.encode(),
        "trust.json": launch.trust.encode(),
    }
    if launch.environment:
        files[runtimefile.ENVIRONMENT] = json.dumps(dict(launch.environment)).encode()
    return files


def ingress_container(spec: IngressSpec, command: list[str]) -> Body:
    """A proxy, reading its routes from a volume that only the Docker API writes to."""
    front, preview = "8080/tcp", "8081/tcp"
    body: Body = {
        "Image": spec.image,
        "User": "10001:10001",
        "Cmd": [*command, *spec.arguments],
        "ExposedPorts": {front: {}, preview: {}},
        "StopTimeout": GRACE_SECONDS,
        "HostConfig": _hardened(memory_bytes=512 << 20, pids=256)
        | {
            "PortBindings": {
                front: [{"HostIp": spec.bind, "HostPort": str(spec.port)}],
                preview: [{"HostIp": spec.preview_bind, "HostPort": str(spec.preview_port)}],
            },
            "Mounts": [_volume(spec.name, ROUTES_FOLDER)],
            "DnsOptions": _DNS,
        },
        "NetworkingConfig": {"EndpointsConfig": {NETWORK: {}}},
    }
    for door, port in (("8500/tcp", spec.grpc_port), ("8082/tcp", spec.metrics_port)):
        if port:
            body["ExposedPorts"][door] = {}
            published = [{"HostIp": spec.bind, "HostPort": str(port)}]
            body["HostConfig"]["PortBindings"][door] = published
    identity = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return body | {"Labels": _labels({"host": spec.host, "kind": "ingress", "spec": identity})}


def trial_container(trial: Trial, *, host: str, candidate: str) -> Body:
    """A test that can write to its /tmp and its output, and has its candidate for a network.

    That one's address stands in its file of hosts; other names are asked of nobody.
    """
    host_config = _hardened(memory_bytes=trial.memory_bytes, pids=_TRIAL_PIDS) | {
        "NetworkMode": trial.name,
        "NanoCpus": round(trial.cpus * 1e9),
        "ExtraHosts": [f"candidate:{candidate}"],
        "Dns": ["127.0.0.1"],
        "DnsOptions": ["timeout:1", "attempts:1"],
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "4m", "max-file": "2"}},
    }
    return {
        "Image": trial.image,
        "User": "10001:10001",
        "Env": [f"PLIMSOLL_TRIAL={trial.told}"],
        "Labels": trial_labels(trial, host=host),
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host_config,
    }


def trial_labels(trial: Trial, *, host: str) -> dict[str, str]:
    """By which a test and its network are found again."""
    return _labels({"host": host, "kind": "trial", "instance": trial.instance})


def _hardened(*, memory_bytes: int, pids: int) -> Body:
    return {
        "NetworkMode": NETWORK,
        "ReadonlyRootfs": True,
        "Tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"},  # noqa: S108  inside it
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        "PidsLimit": pids,
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "RestartPolicy": {"Name": RESTART_POLICY},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    }


def _volume(name: str, target: str) -> Body:
    return {"Type": "volume", "Source": name, "Target": target}


def _health_timing(*, start_interval: bool) -> Body:
    """How often to look; what to run is the image's own and costs a few milliseconds.

    Engines before API 1.44 know one interval only. The reconciler asks instances itself until they
    are healthy, so nothing waits for it; and a hundred instances must not cost a core.
    """
    timing = {"Timeout": 3 * _SECOND, "Retries": 3, "StartPeriod": 120 * _SECOND}
    if start_interval:
        return timing | {"Interval": 5 * _SECOND, "StartInterval": _SECOND // 2}
    return timing | {"Interval": 5 * _SECOND}


def runtime_labels(spec: InstanceSpec) -> dict[str, str]:
    """By which an instance is found again, and what it is."""
    return _labels(
        {
            "kind": "runtime",
            "host": spec.host,
            "deployment": spec.deployment,
            "model": spec.model,
            "version": str(spec.version),
            "digest": spec.digest,
            "spec": spec.spec_hash,
            "commit": spec.commit,
            "memory": str(spec.memory_bytes),
            "nanocpus": str(round(spec.cpus * 1e9)),
            "pids": str(_PIDS),
        }
    )


def _labels(values: dict[str, str]) -> dict[str, str]:
    labels = {"managed": "true"} | values
    return {f"{LABEL}.{key}": value for key, value in labels.items()}
