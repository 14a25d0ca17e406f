"""Which hosts are whose, where several reconcilers share a fleet. Pure.

Hosts that a deployment has in common are planned together, and so are deployments that wait for
one another. They go together: to the one reconciler that ranks highest for them. When one comes
or goes, only what was or becomes its own changes hands.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from reconciler.core import ordering
from reconciler.core.desired import DesiredState
from reconciler.core.rollout import NO_ROLLOUT, Rollout, Rollouts


def groups(hosts: Iterable[str], targets: Iterable[Collection[str]]) -> list[frozenset[str]]:
    """`hosts` in the smallest groups that none of `targets` reaches across."""
    above = {host: host for host in hosts}

    def root(host: str) -> str:
        while above[host] != host:
            above[host] = above[above[host]]
            host = above[host]
        return host

    for together in targets:
        known = [host for host in together if host in above]
        for host in known[1:]:
            above[root(host)] = root(known[0])
    found: dict[str, set[str]] = {}
    for host in above:
        found.setdefault(root(host), set()).add(host)
    return [frozenset(group) for group in found.values()]


def together(state: DesiredState) -> Iterator[Collection[str]]:
    """The hosts that one reconciler must see all of: those of one deployment, and of those that
    wait for one another."""
    deployments, pools = state.deployments, dict[str, list[str]]()
    drains = any(host.spec.drain for host in state.hosts.values())
    for one in deployments.values():
        yield one.hosts
        targets = one.manifest.spec.targets
        if targets.is_by_labels and (drains or targets.replicas is not None):
            # It may move to any of those that fit, and leaves one once it serves on another.
            demand = targets.model_dump_json(include={"match_labels", "match_expressions"})
            if demand not in pools:
                declared = state.hosts.items()
                pools[demand] = [name for name, h in declared if targets.means(h.metadata.labels)]
            yield pools[demand]
        for other in ordering.before(one.manifest):
            if other in deployments:
                yield one.hosts[:1] + deployments[other].hosts[:1]
    for waves in state.sync_waves.values():
        known = (deployments[key] for _, keys in waves for key in keys if key in deployments)
        yield [host for one in known for host in one.hosts[:1]]


def owner(group: Collection[str], reconcilers: Collection[str]) -> str:
    """Who of `reconcilers` is to have `group`; all who know the same of both say the same."""
    name = min(group)
    return max(reconcilers, key=lambda one: (_rank(one, name), one))


def wanted(
    groups: Iterable[frozenset[str]], *, holder: str, reconcilers: Collection[str]
) -> frozenset[str]:
    """The hosts that `holder` is to have."""
    everybody = {*reconcilers, holder}
    found: set[str] = set()
    for group in groups:
        if owner(group, everybody) == holder:
            found |= group
    return frozenset(found)


def whole(groups: Iterable[frozenset[str]], held: Collection[str]) -> frozenset[str]:
    """Those of `held` whose whole group is held: nothing may be planned for the others yet."""
    mine = set(held)
    found: set[str] = set()
    for group in groups:
        if group <= mine:
            found |= group
    return frozenset(found)


def restricted(
    state: DesiredState, rollouts: Rollouts, ours: Collection[str], *, is_first: bool
) -> DesiredState:
    """`state` for whoever has the hosts `ours`: it names what others look after.

    A deployment whose file is wrong is looked after by whoever remembers it on a host, and by
    the first reconciler where nobody does; so is one that agents have all hosts of.
    """
    mine = set(ours)
    others = {
        key
        for key, one in state.deployments.items()
        if (mine.isdisjoint(one.hosts) if one.hosts else not is_first)
    }
    for key in state.held:
        known = rollouts.get(key, NO_ROLLOUT).hosts
        if not (is_first if not known else not mine.isdisjoint(known)):
            others.add(key)
    hosts = {host: kind for host, kind in state.hosts.items() if host in mine}
    return replace(state, hosts=hosts, elsewhere=frozenset(others))


def known(rollouts: Rollouts, ours: Collection[str]) -> Rollouts:
    """What is remembered of the hosts `ours`."""
    mine = set(ours)
    found: dict[str, Rollout] = {}
    for key, rollout in rollouts.items():
        if rollout.hosts.keys() <= mine:
            found[key] = rollout
            continue
        hosts = {host: facts for host, facts in rollout.hosts.items() if host in mine}
        if hosts:
            found[key] = replace(rollout, hosts=hosts)
    return found


def taken_over(mine: Rollouts, shared: Rollouts, gained: Collection[str]) -> Rollouts:
    """`mine` with what others have come to know of the hosts `gained` in the meantime.

    A deployment that only `mine` speaks of stays: nobody shared it yet.
    """
    new = set(gained)
    changed = dict(mine)
    for key, rollout in shared.items():
        before = mine.get(key, NO_ROLLOUT)
        hosts = {host: facts for host, facts in before.hosts.items() if host not in new}
        hosts |= {host: facts for host, facts in rollout.hosts.items() if host in new}
        is_new = not new.isdisjoint({*before.hosts, *rollout.hosts}) or key not in mine
        changed[key] = replace(rollout if is_new else before, hosts=hosts)
    return changed


def _rank(reconciler: str, group: str) -> bytes:
    return hashlib.sha256(f"{reconciler}\n{group}".encode()).digest()
