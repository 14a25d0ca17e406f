"""Whether a version still fits on a host by what files declare, both versions side by side. Pure.

What serves counts, and what is on its way; of what else is asked for and has not begun, that whose
name comes first: two that begin at the same time cannot both be counted as fitting.
"""

from collections.abc import Iterator

from reconciler.core.desired import DesiredState
from reconciler.core.observed import InstanceSpec
from reconciler.core.rollout import NO_ROLLOUT, HostRollout, Rollouts, Verdict
from reconciler.core.seat import same
from registry.core import strict

_MIB = 1 << 20


def obstacles(spec: InstanceSpec, state: DesiredState, rollouts: Rollouts) -> tuple[str, ...]:
    """Why the capacity that the host of `spec` declares is too little for it; mostly nothing."""
    host = state.hosts.get(spec.host)
    capacity = None if host is None else host.spec.capacity
    if capacity is None:
        return ()
    taken = [one for one in _taken(spec, state, rollouts) if one.spec_hash != spec.spec_hash]
    whose = ", ".join(sorted({one.deployment for one in taken})) or "nothing"
    found: list[str] = []
    if capacity.memory is not None:
        free = strict.memory_bytes(capacity.memory) - sum(map(_memory, taken))
        if _memory(spec) > free:
            found.append(
                f"{_memory(spec) // _MIB} MiB of memory wanted, {max(free, 0) // _MIB} MiB of the "
                f"{capacity.memory} that {spec.host} declares are free beside {whose}"
            )
    if capacity.cpus is not None:
        left = capacity.cpus - sum(map(_cpus, taken))
        if _cpus(spec) > left + 1e-9:
            found.append(
                f"{_cpus(spec):g} cpus wanted, {max(left, 0):g} of the {capacity.cpus:g} that "
                f"{spec.host} declares are free beside {whose}"
            )
    return tuple(found)


def _taken(spec: InstanceSpec, state: DesiredState, rollouts: Rollouts) -> Iterator[InstanceSpec]:
    """What is there, or has a right to be, beside `spec`."""
    asked = {
        key: deployment.spec_on(spec.host, state.commit)
        for key, deployment in state.deployments.items()
        if spec.host in deployment.hosts and not deployment.manifest.spec.suspend
    }
    there = {key for key, known in rollouts.items() if spec.host in known.hosts}
    for key in sorted(asked.keys() | there):
        facts, wanted = rollouts.get(key, NO_ROLLOUT).on(spec.host), asked.get(key)
        candidate = None if facts.candidate is None else facts.candidate.spec
        good = facts.last_good
        yield from (one for one in (good, candidate) if one is not None)
        if wanted is None or same(good, wanted) or same(candidate, wanted):
            continue
        if key < spec.deployment or _has_passed(facts, wanted):
            yield wanted


def _has_passed(facts: HostRollout, wanted: InstanceSpec) -> bool:
    known = facts.preflight
    is_about_it = known is not None and known.spec_hash == wanted.spec_hash
    return is_about_it and known is not None and known.verdict is Verdict.PASSED


def _memory(spec: InstanceSpec) -> int:
    return spec.memory_bytes * spec.replicas


def _cpus(spec: InstanceSpec) -> float:
    return spec.cpus * spec.replicas
