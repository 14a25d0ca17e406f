"""Which hosts of a rollout may move now, `spec.fleet.maxParallel` at a time. Pure.

Nothing is remembered of waves: who has begun and who is done is read off the hosts. A host that
is done keeps its predecessor until all are, so a failure in the last wave sends the first one
back too, each host to its own last known good. A host that cannot be reached holds no place,
unless it has switched: then for as long as it would have held it in sight. One that comes back
and finds its place taken gives its candidate up, and queues again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.desired import Deployment
from reconciler.core.fleet import Fleet
from reconciler.core.reasons import Reason, Why
from reconciler.core.stage import Stage, View
from registry.core import hostlist

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


def of(
    fleet: Fleet,
    deployment: Deployment,
    views: list[View],
    stages: Mapping[str, Stage],
    brake: Reason | None,
) -> Wave:
    """The hosts that have begun, and in the order of their names as many more as have a place.

    `stages` lacks the hosts that have failed: they hold no place, they are sent back. With a
    `brake` nobody begins, for that reason.
    """
    rules, count = deployment.manifest.spec.fleet, len(deployment.hosts)
    known = {view.host: view for view in views if view.host in stages}
    under_way = {host: view for host, view in known.items() if _has_begun(view, stages[host])}
    resting = _resting(known, stages, rules.wait_seconds, fleet.now)
    resting |= _out_of_sight(fleet, deployment)
    at_once = _at_once(deployment)
    begun = _with_a_place(under_way, at_once - len(resting))
    places = max(0, at_once - len(begun) - len(resting))
    queue = [host for host in sorted(known) if stages[host] in _NOT_BEGUN and host not in under_way]
    text = f"{at_once} of {count} hosts move at once; first {_names(begun, resting)}"
    return Wave(
        hosts=frozenset({*begun, *queue[: 0 if brake else places]}),
        reason=brake or Reason(Why.WAITING_FOR_TURN, text),
        until=None if brake else min(resting.values(), default=None),
    )


def _resting(
    known: Mapping[str, View], stages: Mapping[str, Stage], wait: int, now: float
) -> dict[str, float]:
    """The hosts that are done and keep their place for the wait, and until when."""
    ends = {
        host: view.scale_down_at + wait
        for host, view in known.items()
        if stages[host] is Stage.BAKED and view.candidate is not None
    }
    return {host: until for host, until in ends.items() if now < until}


def _out_of_sight(fleet: Fleet, deployment: Deployment) -> dict[str, float]:
    """The hosts that have switched and gone away since, for the time that was theirs anyway."""
    spec, memory = deployment.manifest.spec, fleet.rollout(deployment.key)
    time_s = spec.strategy.scale_down_delay_seconds + spec.fleet.wait_seconds
    found: dict[str, float] = {}
    for host in deployment.hosts:
        candidate = None if fleet.reaches(host) else memory.on(host).candidate
        if candidate is None or candidate.routed_at is None:
            continue
        if candidate.revision == deployment.revision and fleet.now < candidate.routed_at + time_s:
            found[host] = candidate.routed_at + time_s
    return found


def _with_a_place(under_way: Mapping[str, View], places: int) -> set[str]:
    """Whoever has all of the traffic keeps its place; the others by who was away the least."""
    switched = {host for host, view in under_way.items() if _routed(view)}
    others = sorted(under_way.keys() - switched, key=lambda host: (_away(under_way[host]), host))
    return switched | set(others[: max(0, places - len(switched))])


def _routed(view: View) -> bool:
    return view.candidate is not None and view.candidate.routed_at is not None


def _away(view: View) -> float:
    """For how many seconds, since it began, the host was not seen."""
    candidate = view.candidate
    return 0.0 if candidate is None else view.seat.now - candidate.since - candidate.waited


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
    return hostlist.folded({*begun, *resting}) or "those before it"
