"""In what a reconciler of a fleet and an agent differ: whose hosts, and who is told of them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reconciler import (
    agent,
    agent_settings,
    client,
    config,
    leases,
    memory,
    metrics,
    owning,
    remotes,
    sharing,
    source,
    state,
    statuses,
)
from reconciler.core import remote
from reconciler.core.desired import DesiredState
from reconciler.core.rollout import Rollouts

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Known:
    """What an end is made of."""

    settings: config.Config
    registry: client.Registry
    folder: state.StateFolder
    holder: str
    memory: memory.Memory
    metrics: metrics.Metrics
    shared: sharing.Shared | None = None


def known(
    settings: config.Config,
    registry: client.Registry,
    folder: state.StateFolder,
    counted: metrics.Metrics,
) -> Known:
    """What is remembered is shared where the fleet is."""
    holder = folder.holder(settings.name) if settings.name else ""
    shared = sharing.Shared(registry, holder) if settings.lease is not None else None
    remembered = memory.Memory(folder, shared)
    return Known(settings, registry, folder, holder, remembered, counted, shared)


class End(Protocol):
    """`host` is the one that all is about, empty for a fleet."""

    host: str
    clock: Callable[[], float]
    sharing: leases.Sharing

    def reporting(self, git: source.Source) -> statuses.Reporting:
        """Whom to tell; `git` says how Git is doing."""

    def close(self) -> None:
        """Let others have our hosts."""


def end(known: Known) -> End:
    """As the settings say."""
    if known.settings.agent is not None:
        return _OfHost(known, known.settings.agent)
    return _OfFleet(known)


def previewed(settings: config.Config, wanted: DesiredState, rollouts: Rollouts) -> DesiredState:
    """What of `wanted` a dry run is about; the registry is not asked."""
    if settings.agent is not None:
        return remote.only(wanted, rollouts, {settings.agent.host})
    return remote.without(wanted, remote.managed(wanted))


class _OfFleet:
    """A reconciler: all hosts but those that look after themselves."""

    def __init__(self, known: Known) -> None:
        self.host = ""
        self.clock: Callable[[], float] = time.time
        self._known = known
        self._agents = remotes.Agents(known.registry, known.folder)
        self.sharing: leases.Sharing = remotes.Beside(
            _shared(known), self._agents, known.memory.rollouts
        )

    def reporting(self, git: source.Source) -> statuses.Reporting:  # noqa: ARG002
        """The registry: how every deployment does."""
        shown = metrics.Standings(self._known.metrics.registry)
        return statuses.Statuses(self._known.registry, self._agents.reports, show=shown.show)

    def close(self) -> None:
        self._agents.close()
        self.sharing.close()


class _OfHost:
    """An agent: its own host."""

    def __init__(self, known: Known, own: agent_settings.Agent) -> None:
        self.host = own.host
        self._known = known
        self._patience_s = own.offline_hours * _HOUR_S
        self._claim = owning.Claim(known.registry, known.folder, host=own.host, holder=known.holder)
        self._one = agent.OneHost(self._claim, known.memory.rollouts)
        self.clock: Callable[[], float] = self._claim.clock
        self.sharing: leases.Sharing = self._one

    def reporting(self, git: source.Source) -> statuses.Reporting:
        """The registry: how this host does."""
        return agent.Telling(
            self._claim,
            self._known.folder,
            self._known.metrics,
            git=git,
            is_wanted=lambda: self._one.is_wanted,
            patience_s=self._patience_s,
        )

    def close(self) -> None:
        self.sharing.close()


def _shared(known: Known) -> leases.Sharing:
    lease = known.settings.lease
    if lease is None:
        return leases.Alone()
    found = leases.Leases(
        known.registry,
        holder=known.holder,
        seconds=lease.seconds,
        remembered=known.memory.rollouts,
        adopt=known.memory.adopt,
    )
    if known.shared is not None:
        known.shared.ours = found.held
    return found
