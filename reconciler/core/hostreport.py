"""What is told of a host besides its deployments: what it has, what its instances hold, and, where
somebody wished so, the last lines that they wrote. Pure.

Lines leave the host without secrets, by the same code as `plimsoll logs`, and within bounds; the
registry keeps the newest report alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.core import kinds, tailing, usage
from reconciler.core.observed import HostState, Instance
from reconciler.core.usage import Resources, Taken
from registry.core import host_report, strict
from registry.core.canonical import Json


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: `busy` is processor time taken by instance, and under "" of all together."""

    resources: Resources
    busy: Mapping[str, Taken]
    lines: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def at(cls, now: float, found: Resources, lines: Mapping[str, Sequence[str]]) -> "Seen":
        """What was `found` at `now`, a time of one clock."""
        counted = dict(found.used)
        if found.together is not None:
            counted[""] = found.together
        busy = {
            name: Taken(now, one.cpu_seconds)
            for name, one in counted.items()
            if one.cpu_seconds is not None
        }
        return cls(found, busy, lines)


def signature(state: HostState) -> tuple[tuple[str, str, str], ...]:
    """What of a host is worth telling at once: an instance came, went, or does otherwise."""
    return tuple((one.name, one.phase.value, one.health.value) for one in state.instances)


def document(
    state: HostState, host: kinds.Host, seen: Seen, before: Seen | None, *, page_logs: int
) -> dict[str, Json]:
    """The report; rates are those since `before`."""
    has = seen.resources
    instances = tuple(state.instances)[: host_report.INSTANCES]
    lines = _lines(instances, seen.lines) if page_logs else {}
    return {
        "memoryBytes": has.memory_bytes,
        "cpus": has.cpus,
        "declared": _declared(host),
        "together": None if has.together is None else _held("", has.together, seen, before),
        "unknown": has.unknown,
        "pageLogs": page_logs,
        "instances": [
            {
                **_held(one.name, has.used.get(one.name, usage.Usage()), seen, before),
                "name": one.name,
                "deployment": one.deployment,
                "model": one.model,
                "version": one.version,
                "lines": list(lines.get(one.name, ())),
            }
            for one in instances
        ],
    }


def _held(name: str, used: usage.Usage, seen: Seen, before: Seen | None) -> dict[str, Json]:
    earlier = None if before is None else before.busy.get(name)
    cores = usage.cores(earlier, seen.busy.get(name))
    return {
        "memoryBytes": used.memory_bytes,
        "cpus": None if cores is None else round(cores, 3),
        "memoryLimit": used.memory_limit,
        "cpuLimit": used.cpu_limit,
    }


def _declared(host: kinds.Host) -> Json:
    capacity = host.spec.capacity
    if capacity is None:
        return None
    memory = None if capacity.memory is None else strict.memory_bytes(capacity.memory)
    return {"memoryBytes": memory, "cpus": capacity.cpus}


def _lines(
    instances: Sequence[Instance], written: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """What fits, the last lines of each; who is not well comes first where there is little room."""
    room: dict[str, int] = {}
    in_all = host_report.HOST_BYTES
    found: dict[str, list[str]] = {}
    for one in sorted(instances, key=lambda one: (one.health.value == "healthy", one.name)):
        left = room.get(one.deployment, host_report.DEPLOYMENT_BYTES)
        most = min(in_all, left, host_report.INSTANCE_BYTES)
        kept = list(_last(written.get(one.name, ()), most))
        found[one.name] = kept[::-1]
        took = sum(map(host_report.size, kept))
        room[one.deployment], in_all = left - took, in_all - took
    return found


def _last(lines: Sequence[str], room: int) -> Iterator[str]:
    """The newest first, as long as they fit."""
    for line in reversed(tailing.hidden(lines)):
        room -= host_report.size(line)
        if room < 0:
            return
        yield line
