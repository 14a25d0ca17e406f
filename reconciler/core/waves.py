"""Which hosts of a rollout may move now, `spec.fleet.maxParallel` at a time. Pure.

Nothing is remembered of waves: who has begun and who is done is read off the hosts. A host that
is done keeps its predecessor until all are, so a failure in the last wave sends the first one
back too, each host to its own last known good. A host that cannot be reached holds no place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.desired import Deployment
from reconciler.core.reasons import Reason, Why
from reconciler.core.stage import Stage, View

_NOT_BEGUN = frozenset({Stage.UNVERIFIED, Stage.REFUSED, Stage.BLOCKED, Stage.VERIFIED})


@dataclass(frozen=True, slots=True)
class Wave:
    """`hosts` may move; for all others, why not yet and until when, where that is known."""

    hosts: frozenset[str]
    reason: Reason
    until: float | None

    def among(self, stages: Mapping[str, Stage]) -> dict[str, Stage]:
        """The stages of the wave's own hosts."""
        return {host: stage for host, stage in stages.items() if host in self.hosts}


def of(deployment: Deployment, views: list[View], stages: Mapping[str, Stage], now: float) -> Wave:
    """The hosts that have begun, and in the order of their names as many more as have a place.

    `stages` lacks the hosts that have failed: they hold no place, they are sent back.
    """
    rules, count = deployment.manifest.spec.fleet, len(deployment.hosts)
    known = {view.host: view for view in views if view.host in stages}
    begun = {host for host, view in known.items() if _has_begun(view, stages[host])}
    resting = {
        host: view.scale_down_at + rules.wait_seconds
        for host, view in known.items()
        if stages[host] is Stage.BAKED and view.candidate is not None
    }
    resting = {host: until for host, until in resting.items() if now < until}
    at_once = _at_once(deployment)
    places = max(0, at_once - len(begun) - len(resting))
    queue = [host for host in sorted(known) if stages[host] in _NOT_BEGUN and host not in begun]
    text = f"{at_once} of {count} hosts move at once; first {_names(begun, resting)}"
    return Wave(
        hosts=frozenset({*begun, *queue[:places]}),
        reason=Reason(Why.WAITING_FOR_TURN, text),
        until=min(resting.values(), default=None),
    )


def _at_once(deployment: Deployment) -> int:
    """A rolling update takes one host at a time, where the file says nothing else."""
    spec = deployment.manifest.spec
    is_rolling = spec.strategy.rolling is not None and spec.fleet.max_parallel is None
    return 1 if is_rolling else spec.fleet.places(len(deployment.hosts))


def _has_begun(view: View, stage: Stage) -> bool:
    """Also before its instance runs, and where policies changed under way: it has its place."""
    candidate = view.candidate
    if candidate is None or stage in (Stage.BAKED, Stage.SETTLED):
        return False
    return candidate.routed_at is not None or candidate.revision == view.deployment.revision


def _names(begun: set[str], resting: Mapping[str, float]) -> str:
    return ", ".join(sorted({*begun, *resting})) or "those before it"
