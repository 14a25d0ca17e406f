"""What we would send to a Swarm manager, as values: services, their networks and files. Pure.

Nothing secret is ever in a service: what an instance is told are Swarm secrets, whose names end
with a digest of their content, since Swarm lets no secret change. Of an environment, which may hold
what can be guessed, it is a digest of what was asked for, with secrets as Git has them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core import runtimefile
from reconciler.core.observed import InstanceSpec
from reconciler.engines import commands
from reconciler.engines.commands import Body, IngressSpec
from reconciler.engines.protocol import Launch

MODELS, CONTROL = "plimsoll-models", "plimsoll-control"
ROUTES = "routes.json"
ROUTES_PORT = 8080
# Nodes with this label of the Swarm get no ingress.
NO_INGRESS = "node.labels.plimsoll.ingress != none"
_SECOND = 1_000_000_000
_OWNER = {"UID": "10001", "GID": "10001", "Mode": 0o440}
_SERVER = (
    "import functools,http.server as h;"
    f"h.ThreadingHTTPServer(('',{ROUTES_PORT}),functools.partial("
    f"h.SimpleHTTPRequestHandler,directory='{commands.ROUTES_FOLDER}')).serve_forever()"
)


@dataclass(frozen=True, slots=True)
class File:
    """A secret or config: its name in the Swarm, and the path under which a task finds it."""

    name: str
    path: str
    content: bytes


def network(name: str) -> Body:
    """An overlay that spans all nodes; what runs on it is reached by nobody else."""
    return {
        "name": name,
        "driver": "overlay",
        "labels": {f"{commands.LABEL}.managed": "true"},
        "check_duplicate": True,
    }


def secrets(spec: InstanceSpec, launch: Launch) -> list[File]:
    """What an instance reads at its start."""
    return [
        File(
            f"{spec.spec_hash[:16]}-{name}-{_mark(spec, name, content)}",
            f"{commands.LAUNCH_FOLDER}/{name}",
            content,
        )
        for name, content in sorted(commands.launch_files(spec, launch).items())
    ]


def _mark(spec: InstanceSpec, name: str, content: bytes) -> str:
    if name == runtimefile.ENVIRONMENT:
        return spec.spec_hash[16:32]
    return hashlib.sha256(content).hexdigest()[:16]


def owned(host: str, kind: str) -> dict[str, str]:
    """Labels of what belongs to a service of ours and is none itself."""
    label = commands.LABEL
    return {f"{label}.managed": "true", f"{label}.host": host, f"{label}.kind": kind}


def runtime_service(spec: InstanceSpec, files: Mapping[str, File]) -> Body:
    """`files` are the secrets by their ids. A replica takes over before another ends; an update
    that fails stops where it is, and we go back ourselves."""
    container = _container(spec.image) | {
        "Args": ["--config", f"{commands.LAUNCH_FOLDER}/runtime.json"],
        "Healthcheck": {
            "Interval": 2 * _SECOND,
            "Timeout": 3 * _SECOND,
            "Retries": 3,
            "StartPeriod": 120 * _SECOND,
        },
        "Mounts": [_tmpfs(), _volume(commands.cache_volume(spec.host))],
        "Secrets": references(files),
    }
    amount = {"MemoryBytes": spec.memory_bytes, "NanoCPUs": round(spec.cpus * 1e9)}
    return {
        "name": spec.short_name,
        "labels": commands.runtime_labels(spec) | {f"{commands.LABEL}.instance": spec.name},
        "task_template": {
            "ContainerSpec": container,
            "Resources": {"Limits": amount | {"Pids": 512}, "Reservations": dict(amount)},
            "RestartPolicy": {"Condition": "any", "Delay": _SECOND},
            "Networks": [{"Target": MODELS}],
        },
        "mode": {"Replicated": {"Replicas": spec.replicas}},
        "update_config": {
            "Parallelism": 1,
            "Order": "start-first",
            "FailureAction": "pause",
            "Monitor": 2 * _SECOND,
            "MaxFailureRatio": 0,
        },
        # By the addresses of its tasks: a virtual one needs IPVS in the kernel of each node.
        "endpoint_spec": {"Mode": "dnsrr"},
    }


def references(files: Mapping[str, File]) -> list[Body]:
    """How a container names its secrets, by their ids."""
    return [_reference("Secret", one, of) for one, of in sorted(files.items())]


def ingress_service(spec: IngressSpec) -> Body:
    """Traefik on each node that may have it. It asks for its routes, and keeps the last it got."""
    container = _container(spec.image) | {
        "Args": [
            "--entrypoints.front.address=:8080",
            "--entrypoints.preview.address=:8081",
            f"--providers.http.endpoint=http://{routes_name(spec)}:{ROUTES_PORT}/{ROUTES}",
            "--providers.http.pollinterval=500ms",
            "--providers.http.polltimeout=2s",
            "--providers.providersthrottleduration=100ms",
            "--ping.manualrouting=true",
            "--log.level=ERROR",
            "--global.checknewversion=false",
            "--global.sendanonymoususage=false",
        ],
        "Mounts": [_tmpfs()],
        # A node that loses power ends no connection: give up on it after 3 s, not 15 minutes.
        "Sysctls": {"net.ipv4.tcp_retries2": "3"},
    }
    body = {
        "name": spec.name,
        "task_template": {
            "ContainerSpec": container,
            "Resources": {"Limits": {"MemoryBytes": 512 << 20, "Pids": 256}},
            "RestartPolicy": {"Condition": "any", "Delay": _SECOND // 2},
            "Placement": {"Constraints": [NO_INGRESS]},
            "Networks": [{"Target": CONTROL}, {"Target": MODELS}],
        },
        "mode": {"Global": {}},
        # A port of a node is free only once its former task has ended.
        "update_config": {"Parallelism": 1, "Order": "stop-first", "FailureAction": "pause"},
        "endpoint_spec": {
            "Mode": "dnsrr",
            "Ports": [_port(spec.port, 8080), _port(spec.preview_port, 8081)],
        },
    }
    return _signed(body, spec.host, "ingress")


def routes_service(spec: IngressSpec, image: str, config: tuple[str, File]) -> Body:
    """Hands the routes, a Swarm config, to the ingress. It is on a network where no model is,
    since the routes hold what opens previews. `image` is any that has Python."""
    container = _container(image) | {
        "Command": ["python3", "-I", "-c", _SERVER],
        "Healthcheck": {"Test": ["NONE"]},
        "Configs": [_reference("Config", *config)],
        "Mounts": [_tmpfs()],
    }
    body = {
        "name": routes_name(spec),
        "task_template": {
            "ContainerSpec": container | {"StopSignal": "SIGKILL"},
            "Resources": {"Limits": {"MemoryBytes": 64 << 20, "Pids": 64}},
            "RestartPolicy": {"Condition": "any", "Delay": _SECOND // 2},
            "Networks": [{"Target": CONTROL}],
        },
        "mode": {"Replicated": {"Replicas": 1}},
        # Never two at once, or the ingress could get the former routes after the new ones.
        "update_config": {"Parallelism": 1, "Order": "stop-first", "FailureAction": "continue"},
        "endpoint_spec": {"Mode": "dnsrr"},
    }
    return _signed(body, spec.host, "routes")


def routes_name(spec: IngressSpec) -> str:
    return f"plimsoll-routes-{spec.host}"


def upstream(service: str) -> str:
    return f"http://{service}:{commands.RUNTIME_PORT}"


def _signed(body: Body, host: str, kind: str) -> Body:
    """With a digest of itself, by which we see later whether it is what we want."""
    identity = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return body | {"labels": owned(host, kind) | {f"{commands.LABEL}.spec": identity}}


def _container(image: str) -> Body:
    return {
        "Image": image,
        "User": "10001:10001",
        "ReadOnly": True,
        "Init": True,
        "CapabilityDrop": ["ALL"],
        "StopGracePeriod": commands.GRACE_SECONDS * _SECOND,
    }


def _tmpfs() -> Body:
    options = {"SizeBytes": 64 << 20, "Mode": 0o1777}
    return {"Type": "tmpfs", "Target": "/tmp", "TmpfsOptions": options}  # noqa: S108  inside it


def _volume(name: str) -> Body:
    return {"Type": "volume", "Source": name, "Target": commands.CACHE_FOLDER}


def _reference(kind: str, identity: str, file: File) -> Body:
    return {f"{kind}ID": identity, f"{kind}Name": file.name, "File": {"Name": file.path, **_OWNER}}


def _port(published: int, target: int) -> Body:
    return {
        "Protocol": "tcp",
        "PublishMode": "host",
        "PublishedPort": published,
        "TargetPort": target,
    }
