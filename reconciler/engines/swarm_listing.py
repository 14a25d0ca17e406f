"""From a Swarm's lists of services and tasks to our values. Pure: two lists answer everything."""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.observed import Health, Instance, Phase
from reconciler.core.usage import Resources, Usage
from reconciler.engines import commands

Service = Mapping[str, Any]
Task = Mapping[str, Any]

_GONE = frozenset({"complete", "failed", "shutdown", "rejected", "orphaned", "remove"})


def label(service: Service, key: str) -> str:
    """One of our labels; empty when there is none such."""
    return str((service["Spec"].get("Labels") or {}).get(f"{commands.LABEL}.{key}", ""))


def instance(service: Service, tasks: Iterable[Task]) -> Instance:
    """A service as an instance: healthy once all its replicas run. A task runs, to Swarm, once
    its health check has passed; what ends is replaced by Swarm, so that nothing is ever exited."""
    own = [task for task in tasks if task["ServiceID"] == service["ID"]]
    wanted = service["Spec"]["Mode"]["Replicated"]["Replicas"]
    running = sum(1 for task in own if is_running(task))
    health = Health.HEALTHY if running >= wanted else _unready(own)
    detail = "" if health is Health.HEALTHY else _trouble(own, running, wanted)
    return Instance(
        name=label(service, "instance"),
        host=label(service, "host"),
        deployment=label(service, "deployment"),
        model=label(service, "model"),
        version=int(label(service, "version")),
        digest=label(service, "digest"),
        spec_hash=label(service, "spec"),
        commit=label(service, "commit"),
        phase=Phase.RUNNING,
        health=health,
        detail=detail,
        missing=max(0, wanted - running),
    )


def secrets(service: Service) -> set[str]:
    """The ids of the secrets that its tasks are given."""
    container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
    return {one["SecretID"] for one in container.get("Secrets") or []}


def is_running(task: Task) -> bool:
    """Whether it runs and shall go on running; on a node that is lost, Swarm wants it no more."""
    return bool(task["Status"]["State"] == "running" and task["DesiredState"] == "running")


def _unready(tasks: list[Task]) -> Health:
    failed = [task for task in tasks if task["Status"]["State"] in ("failed", "rejected")]
    return Health.UNHEALTHY if failed else Health.STARTING


def _trouble(tasks: list[Task], running: int, wanted: int) -> str:
    """The latest word of a task that does not run, in Swarm's own words."""
    said = f"{running} of {wanted} replicas run"
    latest = sorted(tasks, key=lambda task: str(task["Status"].get("Timestamp", "")))
    for task in reversed(latest):
        if (error := task["Status"].get("Err")) and not is_running(task):
            return f"{said}: {error}"
    return said


def promised(tasks: Iterable[Task]) -> dict[str, int]:
    """Bytes of memory that each node has promised to tasks that it has."""
    found: dict[str, int] = {}
    for task in tasks:
        if task["Status"]["State"] not in _GONE and (node := task.get("NodeID")):
            kept = (task["Spec"].get("Resources") or {}).get("Reservations") or {}
            found[node] = found.get(node, 0) + int(kept.get("MemoryBytes", 0))
    return found


def places(nodes: Iterable[Mapping[str, Any]], promises: Mapping[str, int], memory: int) -> int:
    """How many tasks of `memory` bytes fit on nodes that take any."""
    return sum(
        max(0, node["Description"]["Resources"]["MemoryBytes"] - promises.get(node["ID"], 0))
        // memory
        for node in nodes
        if takes_tasks(node)
    )


def resources(nodes: Iterable[Mapping[str, Any]], services: Iterable[Service]) -> Resources:
    """What nodes that take tasks have together, and what the instances may hold of it in all their
    replicas; what they do hold a manager does not know."""
    has = [node["Description"]["Resources"] for node in nodes if takes_tasks(node)]
    return Resources(
        memory_bytes=sum(int(one.get("MemoryBytes", 0)) for one in has) or None,
        cpus=sum(int(one.get("NanoCPUs", 0)) for one in has) / 1e9 or None,
        used={label(one, "instance"): _asked(one) for one in services if _is_runtime(one)},
        unknown="a Swarm's manager does not say what its tasks hold",
    )


def _asked(service: Service) -> Usage:
    limits = (service["Spec"]["TaskTemplate"].get("Resources") or {}).get("Limits") or {}
    replicas = int(service["Spec"]["Mode"]["Replicated"]["Replicas"])
    return Usage(
        memory_limit=int(limits.get("MemoryBytes", 0)) * replicas or None,
        cpu_limit=int(limits.get("NanoCPUs", 0)) * replicas / 1e9 or None,
    )


def _is_runtime(service: Service) -> bool:
    return label(service, "kind") == "runtime"


def takes_tasks(node: Mapping[str, Any]) -> bool:
    """Whether the node is up and not drained."""
    return bool(node["Status"]["State"] == "ready" and node["Spec"].get("Availability") == "active")


def has_ingress(node: Mapping[str, Any]) -> bool:
    """Whether clients come in by this node."""
    labels = node["Spec"].get("Labels") or {}
    return takes_tasks(node) and labels.get("plimsoll.ingress") != "none"
