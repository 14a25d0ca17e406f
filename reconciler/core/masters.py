"""Who looks after a host: its own agent, or the reconciler; and what neither can promise. Pure.

An agent sees its own host. It waits for no other one, and no other one is sent back because of
it: a file that asks for that is refused, since nobody would keep the promise.
"""

from collections.abc import Iterator, Mapping

from reconciler.core.kinds import FleetRollout, Host, ModelDeployment
from reconciler.core.sources import Source
from registry.core.documents import Problem

_MOST_NAMED = 3


def is_own(host: Host) -> bool:
    """Whether an agent looks after the host."""
    return host.spec.managed_by == "agent"


def problems(
    source: Source[ModelDeployment],
    hosts: Mapping[str, Host],
    others: Mapping[str, Mapping[str, Host]],
) -> Iterator[Problem]:
    """What is wrong with a deployment on `hosts`; `others` has the hosts of all, by their keys."""
    own = sorted(name for name, host in hosts.items() if is_own(host))
    if own and len(hosts) > 1 and source.kind.spec.fleet != FleetRollout():
        message = (
            f"spec.fleet: {_names(own)} {'takes' if len(own) == 1 else 'take'} a version without "
            "regard to other hosts (managedBy: agent)"
        )
        fix = "leave fleet out, or give these hosts a deployment of their own"
        yield source.document.problem(("spec", "fleet"), message, fix=fix)
    for index, reference in enumerate(source.kind.spec.depends_on):
        key = f"{source.kind.metadata.environment}/{reference.name}"
        if key in others and (blind := _masters(hosts) - _masters(others[key])):
            message = (
                f"spec.dependsOn.{index}.name: {key} is not on {_names(sorted(blind))}, where an "
                "agent would have to wait for what it cannot see"
            )
            if "" in blind:
                message = (
                    f"spec.dependsOn.{index}.name: {key} is on hosts with agents alone, which the "
                    "reconciler does not see"
                )
            fix = f"let {key} target the same hosts, or remove it from dependsOn"
            at = ("spec", "dependsOn", index, "name")
            yield source.document.problem(at, message, fix=fix)


def _masters(hosts: Mapping[str, Host]) -> set[str]:
    """Each agent by its host's name; the reconciler without one."""
    return {name if is_own(host) else "" for name, host in hosts.items()}


def _names(hosts: list[str]) -> str:
    more = len(hosts) - _MOST_NAMED
    shown = ", ".join(hosts[:_MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
