"""What the reconciler counts, under names that dashboards may rely on."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reconciler.core import actions, outcomes


class Metrics:
    """All metrics of one reconciler, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reconcile = Histogram(
            "plimsoll_reconcile_seconds", "One round: gather, plan, apply.", registry=self.registry
        )
        self._actions = Counter(
            "plimsoll_actions", "Actions by kind and outcome.", ["kind", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._fetched = Gauge(
            "plimsoll_git_last_successful_fetch_timestamp_seconds",
            "When Git last answered.",
            registry=self.registry,
        )
        self._failing = Gauge(
            "plimsoll_git_failing", "1 while Git does not answer.", registry=self.registry
        )

    @contextmanager
    def reconciling(self) -> Iterator[None]:
        """Times one round."""
        with self._reconcile.time():
            yield

    def action(self, action: actions.Action, outcome: outcomes.Outcome) -> None:
        """Counts one action."""
        kinds = type(action).__name__, type(outcome).__name__
        self._actions.labels(*(kind.lower() for kind in kinds)).inc()

    def git(self, fetched_at: float, *, failing: bool) -> None:
        """Shows how Git is doing."""
        self._fetched.set(fetched_at)
        self._failing.set(failing)
