"""Tells the registry how every deployment does, when that changes and once a minute.

A side channel: when the registry does not answer, the next round tries again, and nothing waits.
"""

from collections.abc import Mapping

import structlog

from reconciler import client, lanes
from reconciler.core import desired, status
from reconciler.core.rollout import Rollouts
from registry import errors
from registry.core.canonical import Json

_REPEAT_S = 60.0

log = structlog.get_logger()


class Statuses:
    """Remembers what was reported last, to stay quiet while nothing changes."""

    def __init__(self, registry: client.Registry) -> None:
        self._registry = registry
        self._reported: dict[str, dict[str, Json]] = {}
        self._repeat_at = 0.0

    def report(
        self,
        state: desired.DesiredState,
        observed: Mapping[str, lanes.Look],
        rollouts: Rollouts,
        now: float,
    ) -> None:
        """Send what is new."""
        current = status.documents(state, observed, rollouts, now)
        if now >= self._repeat_at:
            self._reported = {}
            self._repeat_at = now + _REPEAT_S
        try:
            for deployment, document in current.items():
                if self._reported.get(deployment) != document:
                    self._registry.report(deployment, document)
                    self._reported[deployment] = document
            for gone in self._reported.keys() - current.keys():
                if gone not in state.elsewhere:
                    self._registry.withdraw(gone)
                del self._reported[gone]
        except errors.PlimsollError as error:
            log.warning("status not reported", error=error.detail)
