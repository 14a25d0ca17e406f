"""How long candidates have had to be accepted: what memory learns from each look. Pure.

Only time in which anything could be done for one counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.core import hostmemory
from reconciler.core.desired import DesiredState
from reconciler.core.observed import HostState, Unreachable
from reconciler.core.rollout import NO_ROLLOUT, HostRollout, Rollout, Rollouts


def counts(known: Rollout) -> bool:
    """Whether the deadline of a candidate runs."""
    return any(_counts(facts) for facts in known.hosts.values())


def look(
    rollouts: Rollouts,
    observed: Mapping[str, HostState | Unreachable],
    now: float,
    *,
    among: Iterable[str] | None = None,
    desired: DesiredState | None = None,
) -> Rollouts:
    """Let the deadlines of candidates run on for as long as their hosts are seen, unless nothing of
    them may be touched, as `desired` says.

    Only deployments `among` these have any, where that is known.
    """
    changed = dict(rollouts)
    for deployment in list(rollouts) if among is None else among:
        known = rollouts.get(deployment, NO_ROLLOUT)
        seen = {} if desired is not None and _stands_still(desired, deployment) else observed
        hosts = {
            host: replace(facts, candidate=hostmemory.seen(facts.candidate, seen.get(host), now))
            for host, facts in known.hosts.items()
            if facts.candidate is not None and _counts(facts)
        }
        if hosts:
            changed[deployment] = replace(known, hosts={**known.hosts, **hosts})
    return changed


def _counts(facts: HostRollout) -> bool:
    return facts.candidate is not None and facts.candidate.routed_at is None


def _stands_still(desired: DesiredState, key: str) -> bool:
    """Whether Git wants nothing of it touched, or nobody can read what it wants."""
    deployment = desired.deployments.get(key)
    return key in desired.held or (deployment is not None and deployment.manifest.spec.suspend)
