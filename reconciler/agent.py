"""A reconciler for one host, its own: what `plimsoll agent` runs on the host.

Only the ends differ from a reconciler of a fleet. What it shares of the desired state is its own
host; and it tells the registry how this does, since nobody else can look at it. All between,
gather, plan and apply, is the same code.
"""

from collections.abc import Callable, Collection, Mapping
from typing import cast

import structlog

from reconciler import lanes, leases, metrics, owning, source, state
from reconciler.core import plan, remote, shares, status
from reconciler.core.desired import DesiredState
from reconciler.core.fleet import Fleet
from reconciler.core.rollout import Rollouts
from reconciler.engines.protocol import Engine
from registry.core import canonical
from registry.core.canonical import Json

_TELL_EVERY_S = 20.0
_WARN_EVERY_S = 3600.0
_CLOCK_OFF_S = 60.0

log = structlog.get_logger()


class OneHost:
    """Of the desired state, what is about our host, as long as it is our own."""

    def __init__(self, claim: owning.Claim, remembered: Callable[[], Rollouts]) -> None:
        self._claim = claim
        self._remembered = remembered
        self.is_wanted = False

    def share(self, state: DesiredState, busy: Collection[str]) -> DesiredState:
        """Nothing, where Git gives the host to others or the registry has not given it to us."""
        host = self._claim.host
        self.is_wanted = host in remote.managed(state)
        if not self.is_wanted and not busy and not _is_broken(state, host):
            self._claim.let_go()
        ours = {host} if self._claim.is_held else set()
        return remote.only(state, self._remembered(), ours)

    def known(self, rollouts: Rollouts, state: DesiredState) -> Rollouts:
        """What is remembered of our host."""
        return shares.known(rollouts, state.hosts)

    def fenced(self, connect: lanes.Connect) -> lanes.Connect:
        """`connect`, but with an engine that changes nothing unless the host is our own."""
        return lambda name, kind: cast("Engine", leases.Fenced(connect(name, kind), self._require))

    def close(self) -> None:
        """The host stays our own: we come back."""

    def _require(self) -> None:
        self._claim.require()


class Telling:
    """Tells the registry how the host does, when that changes and every twenty seconds.

    The same is kept on disk, for `plimsoll agent status` on a machine that reaches nobody.
    """

    def __init__(
        self,
        claim: owning.Claim,
        folder: state.StateFolder,
        counted: metrics.Metrics,
        *,
        git: source.Source,
        is_wanted: Callable[[], bool],
        patience_s: float,
    ) -> None:
        self._claim = claim
        self._folder = folder
        self._gauges = metrics.AgentMetrics(counted.registry)
        self._git = git
        self._is_wanted = is_wanted
        self._patience_s = patience_s
        self._told: dict[str, Json] | None = None
        self._tell_at = 0.0
        self._warn_at = 0.0
        self.is_behind = False

    def report(self, planner: plan.Planner, state: DesiredState, now: float) -> None:
        """Send what is new."""
        fleet = planner.fleet
        if fleet is None:
            return
        document = self._document(state, _deployments(planner, fleet, status.Git.of(state)))
        claim = self._claim
        if document != self._told:
            self._folder.save_report(canonical.encode(document))
        if (
            document != self._told
            or _is_over(self._tell_at, now, _TELL_EVERY_S)
            or not claim.is_held
        ):
            git = self._git
            is_fresh = not git.error and git.fetched_at != claim.lost_after
            claim.tell(document, git_at=git.fetched_at, may_claim=self._is_wanted() and is_fresh)
            self._told, self._tell_at = document, now + _TELL_EVERY_S
        self._warn(now)

    def _document(
        self, state: DesiredState, deployments: Mapping[str, dict[str, Json]]
    ) -> dict[str, Json]:
        refused, ahead_s = state.refused, self._claim.clock.ahead_s
        return {
            "commit": state.commit,
            "refused": None if refused is None else refused.reason,
            "gitError": self._git.error,
            "isHeld": self._claim.is_held,
            "clockAheadSeconds": round(ahead_s, -1) if abs(ahead_s) > _CLOCK_OFF_S else 0,
            "deployments": dict(deployments),
        }

    def _warn(self, now: float) -> None:
        """Serving goes on however long nobody is reached; somebody should know of it."""
        known = self._claim.known
        offline_s = max(0.0, now - min(known.registry_at, known.git_at))
        is_late = bool(self._patience_s) and offline_s > self._patience_s
        self._gauges.show(
            registry_at=known.registry_at,
            is_late=is_late,
            is_held=self._claim.is_held,
            ahead_s=self._claim.clock.ahead_s,
        )
        if is_late and _is_over(self._warn_at, now, _WARN_EVERY_S):
            self._warn_at = now + _WARN_EVERY_S
            log.warning(
                "offline for too long: what serves goes on, nothing new comes",
                hours=round(offline_s / 3600, 1),
            )


def _deployments(
    planner: plan.Planner, fleet: Fleet, git: status.Git
) -> dict[str, status.Document]:
    found = {}
    for key in sorted(fleet.keys()):
        fleet.asking()
        if document := status.document(fleet, key, git, planner.steps):
            found[key] = document
    return found


def _is_over(at: float, now: float, seconds: float) -> bool:
    """Whether a pause of so many seconds until `at` is over: also where the clock was set back, as
    a machine's that started ahead of time is once it hears what time it is."""
    return not 0 < at - now <= seconds


def _is_broken(state: DesiredState, host: str) -> bool:
    """A file that is wrong gives the host to nobody."""
    return any(one.path == f"models.d/hosts/{host}.yaml" for one in state.problems)
