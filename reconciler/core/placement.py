"""Which of the hosts that fit a deployment is placed on, as Git alone decides it. Pure.

By rendezvous hashing: each host has a rank for each deployment, whoever else there is. So a host
that comes or goes moves what it takes or leaves, and nothing else.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from reconciler.core import kinds
from registry.core import strict


def chosen(deployment: kinds.ModelDeployment, hosts: Mapping[str, kinds.Host]) -> tuple[str, ...]:
    """The target hosts out of all that are declared, for targets that are meant by labels.

    A host that is being drained is taken only where there are too few others: what is there stays.
    """
    targets = deployment.spec.targets
    fitting = {name: host for name, host in hosts.items() if _fits(deployment, host)}
    free = {name: host for name, host in fitting.items() if not host.spec.drain}
    if targets.replicas is None:
        return tuple(sorted(free or fitting))
    key = f"{deployment.metadata.environment}/{deployment.metadata.name}"
    drained = {name: host for name, host in fitting.items() if host.spec.drain}
    ranked = [*_ranked(key, free, targets.spread_by), *_ranked(key, drained, targets.spread_by)]
    return tuple(sorted(ranked[: targets.replicas]))


def _fits(deployment: kinds.ModelDeployment, host: kinds.Host) -> bool:
    """Its labels are meant; and where a choice is, it is not too small by itself."""
    targets = deployment.spec.targets
    if not targets.means(host.metadata.labels):
        return False
    return targets.replicas is None or not too_small(deployment, host)


def too_small(deployment: kinds.ModelDeployment, host: kinds.Host) -> str:
    """What of `host` is too small even for this deployment alone; empty where nothing is."""
    capacity, needed = host.spec.capacity, deployment.spec.runtime.resources
    count = deployment.spec.runtime.replicas or 1
    if capacity is None:
        return ""
    if capacity.memory and needed.memory_bytes * count > strict.memory_bytes(capacity.memory):
        return f"memory {needed.memory} of its {capacity.memory}"
    if capacity.cpus and needed.cpus * count > capacity.cpus:
        return f"{needed.cpus:g} of its {capacity.cpus:g} cpus"
    return ""


def _ranked(key: str, hosts: Mapping[str, kinds.Host], spread_by: str | None) -> list[str]:
    """Best first; with `spread_by` the best of each group, then the second of each, and so on."""
    best = sorted(hosts, key=lambda name: (_score(key, name), name), reverse=True)
    if spread_by is None:
        return best
    groups: dict[str, list[str]] = defaultdict(list)
    for name in best:
        groups[hosts[name].metadata.labels.get(spread_by, "")].append(name)
    place = {name: index for group in groups.values() for index, name in enumerate(group)}
    return sorted(best, key=lambda name: place[name])


def _score(key: str, host: str) -> bytes:
    return hashlib.sha256(f"{key}\n{host}".encode()).digest()
