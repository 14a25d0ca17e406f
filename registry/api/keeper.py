"""Applies the retention rules and sweeps now and then, where the settings say so."""

import random

import structlog

from registry.api.rounds import Rounds
from registry.core.identity import Caller, Role
from registry.usecases.opening import Registry

_LOG = structlog.get_logger("registry.keeper")
_BY = Caller(Role.ADMIN, "retention")


class Keeper(Rounds):
    """Off where `every_hours` is 0. Several replicas may each have one: they do no harm.

    What it is doing when it stops is safe to break off anywhere; the next one goes on."""

    def __init__(self, registry: Registry) -> None:
        every = registry.settings.retention.every_hours * 3600
        # Not right at the start, and replicas not all at once.
        super().__init__("keeper", self._keep, lambda: every * random.uniform(0.9, 1.1))  # noqa: S311
        self._registry = registry
        self._is_on = every > 0

    def start(self) -> None:
        if self._is_on:
            super().start()

    def is_alive(self) -> bool:
        return not self._is_on or super().is_alive()

    def stop(self) -> None:
        if self._is_on:
            super().stop()

    def _keep(self) -> None:
        # Heavy, and most registries sweep when somebody says so.
        from registry.usecases import retention, sweep  # noqa: PLC0415

        grace = sweep.Grace.of(self._registry.settings.retention.grace_hours)
        expired = retention.apply(self._registry, retention.plan(self._registry), _BY)
        swept = sweep.sweep(self._registry, grace)
        _LOG.info(
            "swept",
            expired=len(expired),
            removed=swept.removed.count,
            bytes=swept.removed.size,
            missing=swept.missing.count,
        )
