"""One instance as Kubernetes objects: Deployment, Service, NetworkPolicy and what it is told.

Each version has objects of its own, so that a rollout moves traffic and never changes a pod that
serves. The pods are as Kubernetes' "restricted" Pod Security Standard wants them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from reconciler.core import environments, runtimefile
from reconciler.core.observed import InstanceSpec

Manifest: TypeAlias = dict[str, Any]

DOMAIN = "plimsoll.dev"
NAME_LABEL = "app.kubernetes.io/instance"
OWNER = {"app.kubernetes.io/managed-by": "plimsoll"}
USER = 10001
GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Gateway:
    """The Gateway, of the Gateway API, through which clients come."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instance runs; `registry` is the registry's URL as pods see it."""

    namespace: str
    gateway: Gateway
    registry: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """All that the runtime reads goes into a Secret of its own: file names and their text."""

    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Named:
    """`token` and `trust.json` lie in a Secret of this name, which somebody else looks after;
    the permit, as JSON text, is in the open."""

    secret: str
    permit: str = ""


Handed: TypeAlias = Sealed | Named


def name(spec: InstanceSpec) -> str:
    """What all objects of an instance are named."""
    return spec.short_name


def manifests(spec: InstanceSpec, place: Place, handed: Handed) -> list[Manifest]:
    """Everything for `spec`, in the order in which it should be there."""
    return [
        told(spec, place, handed),
        deployment(spec, place, handed),
        service(spec, place),
        network_policy(spec, place),
    ]


def metadata(spec: InstanceSpec, place: Place, suffix: str = "") -> Manifest:
    """What all objects of an instance carry. A label may have 63 characters of few kinds, so that
    what may not fit is in annotations."""
    environment, _, own = spec.deployment.rpartition("/")
    return {
        "name": name(spec) + suffix,
        "namespace": place.namespace,
        "labels": labels(spec)
        | {f"{DOMAIN}/environment": environment, f"{DOMAIN}/deployment": own},
        "annotations": {
            f"{DOMAIN}/instance": spec.name,
            f"{DOMAIN}/deployment": spec.deployment,
            f"{DOMAIN}/model": spec.model,
            f"{DOMAIN}/version": str(spec.version),
            f"{DOMAIN}/digest": spec.digest,
            f"{DOMAIN}/spec": spec.spec_hash,
            **({f"{DOMAIN}/commit": spec.commit} if spec.commit else {}),
        },
    }


def siblings(manifest: Manifest) -> dict[str, str]:
    """What picks out the objects of all versions of a deployment, by one of them."""
    found = manifest["metadata"]["labels"]
    shared = (*OWNER, f"{DOMAIN}/environment", f"{DOMAIN}/deployment")
    return {name: found[name] for name in shared}


def labels(spec: InstanceSpec) -> dict[str, str]:
    """What picks out the pods of one instance, and all that is ours of one host."""
    return {**OWNER, NAME_LABEL: name(spec), f"{DOMAIN}/host": spec.host}


def deployment(spec: InstanceSpec, place: Place, handed: Handed) -> Manifest:
    """Replaces a pod only once another is ready."""
    found = metadata(spec, place)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": found,
        "spec": {
            "replicas": spec.replicas,
            "selector": {"matchLabels": {NAME_LABEL: name(spec)}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                # Not all annotations: a commit that changes nothing else must not replace pods.
                "metadata": {
                    "labels": found["labels"],
                    "annotations": {f"{DOMAIN}/spec": spec.spec_hash},
                },
                "spec": pod(spec, handed, container="runtime"),
            },
        },
    }


def pod(spec: InstanceSpec, handed: Handed, *, container: str) -> Manifest:
    """The pod's own spec: writes to its cache and its /tmp and to nothing else."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, container)],
        "volumes": [
            {"name": "launch", **_launch_volume(spec, handed)},
            {"name": "cache", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    }


def service(spec: InstanceSpec, place: Place) -> Manifest:
    """The name under which the gateway finds the instance."""
    ports = [{"name": "http", "port": runtimefile.RUNTIME_PORT, "targetPort": "http"}]
    if _speaks_grpc(spec):
        grpc = {"name": "grpc", "port": runtimefile.GRPC_PORT, "targetPort": "grpc"}
        ports.append(grpc | {"appProtocol": "kubernetes.io/h2c"})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(spec, place),
        "spec": {"selector": {NAME_LABEL: name(spec)}, "ports": ports},
    }


def network_policy(spec: InstanceSpec, place: Place) -> Manifest:
    """In from the gateway's namespace, out to names and to the registry's port."""
    doors = [{"port": "http", "protocol": "TCP"}]
    if _speaks_grpc(spec):
        doors.append({"port": "grpc", "protocol": "TCP"})
    gateway = {"matchLabels": {"kubernetes.io/metadata.name": place.gateway.namespace}}
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(spec, place),
        "spec": {
            "podSelector": {"matchLabels": {NAME_LABEL: name(spec)}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"namespaceSelector": gateway}], "ports": doors}],
            "egress": [
                {"ports": names},
                {"ports": [{"port": _port(place.registry), "protocol": "TCP"}]},
            ],
        },
    }


def told(spec: InstanceSpec, place: Place, handed: Handed) -> Manifest:
    """What the runtime reads at its start, and what of it may be read by all is in the open."""
    match handed:
        case Sealed():
            return {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "Opaque",
                "metadata": metadata(spec, place),
                "stringData": dict(handed.files),
            }
        case Named():
            document = runtimefile.document(spec, registry=place.registry, permit=handed.permit)
            return {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata(spec, place),
                "data": {runtimefile.FILE: json.dumps(document, indent=1) + "\n"},
            }


def _launch_volume(spec: InstanceSpec, handed: Handed) -> Manifest:
    """Readable by the runtime's group alone."""
    match handed:
        case Sealed():
            return {"secret": {"secretName": name(spec), "defaultMode": 0o440}}
        case Named():
            sources = [{"configMap": {"name": name(spec)}}, {"secret": {"name": handed.secret}}]
            return {"projected": {"defaultMode": 0o440, "sources": sources}}


def _container(spec: InstanceSpec, container: str) -> Manifest:
    amount = {"memory": str(spec.memory_bytes), "cpu": f"{round(spec.cpus * 1000)}m"}
    ports = [{"name": "http", "containerPort": runtimefile.RUNTIME_PORT, "protocol": "TCP"}]
    if _speaks_grpc(spec):
        grpc = {"name": "grpc", "containerPort": runtimefile.GRPC_PORT, "protocol": "TCP"}
        ports.append(grpc)
    return {
        "name": container,
        "image": spec.image,
        "args": ["--config", f"{runtimefile.LAUNCH_FOLDER}/{runtimefile.FILE}"],
        "ports": ports,
        **_environment(spec),
        "resources": {"requests": dict(amount), "limits": amount},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "startupProbe": _probe("/livez", period=1, failures=120),
        "livenessProbe": _probe("/livez", period=10, failures=3),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "volumeMounts": [
            {"name": "launch", "mountPath": runtimefile.LAUNCH_FOLDER, "readOnly": True},
            {"name": "cache", "mountPath": runtimefile.CACHE_FOLDER},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  inside the pod
        ],
    }


def _environment(spec: InstanceSpec) -> Manifest:
    """Secrets by reference: a Secret of the same name in the same namespace has their values."""
    found: list[Manifest] = [
        {"name": name, "value": value} for name, value in environments.plain(spec).items()
    ]
    for one in environments.wanted(spec):
        reference = {"name": one.secret, "key": one.key}
        found.append({"name": one.variable, "valueFrom": {"secretKeyRef": reference}})
    return {"env": found} if found else {}


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": runtimefile.RUNTIME_PORT},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _speaks_grpc(spec: InstanceSpec) -> bool:
    return bool(spec.process.get("grpc"))


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
