"""The reconciler beside agents: which hosts it leaves to them, and what they tell of these.

A host is left alone where its file says so, and also where its agent has not let go of it yet.
Which those are is kept on disk: a registry that is away changes nothing about whose a host is.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import cast

import structlog

from reconciler import client, lanes, leases, state
from reconciler.core import remote
from reconciler.core.desired import DesiredState
from reconciler.core.rollout import Rollouts
from reconciler.engines.protocol import Engine
from registry import errors

EVERY_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Heard:
    """`newest` is what to ask the registry with for what is new since."""

    newest: datetime | None = None
    reports: Mapping[str, remote.Report] = field(default_factory=lambda: MappingProxyType({}))


class Agents:
    """What the registry says of agents, asked every few seconds on a thread of its own."""

    def __init__(self, registry: client.Registry, folder: state.StateFolder) -> None:
        self._registry = registry
        self._folder = folder
        self._claimed = folder.claims()
        self._heard = _Heard()
        self._said = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.look()
        self._thread = threading.Thread(target=self._run, name="agents", daemon=True)
        self._thread.start()

    def claimed(self) -> frozenset[str] | None:
        """The hosts that are their agents' own; None if no registry ever said so."""
        return self._claimed

    def reports(self) -> Mapping[str, remote.Report]:
        """What each told last, by host."""
        return self._heard.reports

    def look(self) -> None:
        """Ask now; where the registry does not answer, what was known stays."""
        with self._lock:  # an older answer must not come after a newer one
            self._look()

    def _look(self) -> None:
        before = self._heard
        try:
            told = self._registry.agents(after=before.newest)
        except errors.PlimsollError as error:
            if self._said != error.code:
                self._said = error.code
                log.warning("agents not asked for", error=error.detail)
            return
        self._said = ""
        claimed = frozenset(one.host for one in told.agents)
        if claimed != self._claimed:
            self._folder.save_claims(claimed)
            self._claimed = claimed
        self._heard = _Heard(told.newest, _reports(told, before.reports))

    def close(self) -> None:
        """Ask no more; a question under way is not waited for."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self.look()


def _reports(
    told: client.Agents, before: Mapping[str, remote.Report]
) -> Mapping[str, remote.Report]:
    found = {}
    for one in told.agents:
        document = one.document
        if document is None:
            document = dict(before[one.host].document) if one.host in before else {}
        silent = (told.now - one.seen_at).total_seconds()
        found[one.host] = remote.Report(document, one.seen_at.timestamp(), silent)
    return found


class Beside:
    """What is left of the fleet, shared with other reconcilers as `inner` says."""

    def __init__(
        self, inner: leases.Sharing, agents: Agents, remembered: Callable[[], Rollouts]
    ) -> None:
        self.inner = inner
        self.agents = agents
        self._remembered = remembered
        self._managed: frozenset[str] = frozenset()
        # The last state, who was away, and what that left: it hardly ever changes.
        self._cut: tuple[DesiredState, frozenset[str], DesiredState] | None = None

    def share(self, state: DesiredState, busy: Collection[str]) -> DesiredState:
        """What of `state` is ours and may be acted on; hosts that are `busy` stay ours."""
        self._managed = remote.managed(state)
        away = (self._managed | self._unclear(state)) & _named(state)
        if self._cut is None or self._cut[0] is not state or self._cut[1] != away:
            self._cut = state, away, remote.without(state, away)
        return self.inner.share(self._cut[2], busy)

    def known(self, rollouts: Rollouts, state: DesiredState) -> Rollouts:
        """What is remembered of what `share` gave."""
        return self.inner.known(remote.known(rollouts, state.away), state)

    def fenced(self, connect: lanes.Connect) -> lanes.Connect:
        """`connect`, but with engines that change nothing on a host that is its agent's."""
        inner = self.inner.fenced(connect)
        return lambda name, kind: cast(
            "Engine", leases.Fenced(inner(name, kind), lambda: self.require(name))
        )

    def require(self, host: str) -> None:
        """Raise Conflict where `host` is its agent's; asks nobody."""
        if host in self._managed or host in (self.agents.claimed() or ()):
            raise errors.Conflict(
                f"{host} is looked after by its agent",
                fix="nothing: it is left alone until its agent has let go of it",
            )

    def close(self) -> None:
        """Let others have our hosts."""
        self.inner.close()

    def _unclear(self, state: DesiredState) -> frozenset[str]:
        """Hosts that an agent has not let go of. Where nobody ever said which those are, all that
        we know nothing of: there is nothing on them that we could heal."""
        claimed = self.agents.claimed()
        if claimed is not None:
            return claimed
        ours = {host for rollout in self._remembered().values() for host in rollout.hosts}
        return frozenset(state.hosts) - ours


def _named(state: DesiredState) -> frozenset[str]:
    """All hosts that the desired state speaks of."""
    targets = (host for one in state.deployments.values() for host in one.hosts)
    return frozenset(state.hosts) | frozenset(targets)
