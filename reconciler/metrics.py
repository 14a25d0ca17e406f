"""What the reconciler counts, under names that dashboards may rely on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from reconciler.core import actions, outcomes
from reconciler.core.measurements import Found, Measurement
from registry.core import fields, host_report
from registry.core.canonical import Json


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
        about = ["deployment", "metric", "variant"]
        self._measured = Gauge(
            "plimsoll_analysis_value",
            "What an analysis measured last: its result, and how candidate and stable are.",
            about,
            registry=self.registry,
        )
        self._samples = Gauge(
            "plimsoll_analysis_samples",
            "On how many samples that stands.",
            ["deployment", "metric"],
            registry=self.registry,
        )
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
        if isinstance(action, actions.Measure) and isinstance(outcome, outcomes.Measured):
            for name, measurement in outcome.found:
                self._show(action.spec.deployment, name, measurement)

    def _show(self, deployment: str, name: str, measurement: Measurement) -> None:
        """Numbers alone: a list or an object has no place in a gauge."""
        if not isinstance(measurement, Found):
            return
        told = {"result": measurement.result, **measurement.values}
        for variant, value in told.items():
            number = fields.finite(value)
            if number is not None:
                self._measured.labels(deployment, name, variant).set(number)
        if measurement.samples is not None:
            self._samples.labels(deployment, name).set(measurement.samples)

    def git(self, fetched_at: float, *, failing: bool) -> None:
        """Shows how Git is doing."""
        self._fetched.set(fetched_at)
        self._failing.set(failing)


class Standings(Collector):
    """How every deployment stands: one series each, which asking for costs no look at any host."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._known: dict[str, tuple[str, ...]] = {}
        registry.register(self)

    def show(self, key: str, document: Mapping[str, Json]) -> None:
        """What `document`, a status, says of the deployment `key`; empty where it is no more."""
        if not document:
            self._known.pop(key, None)
            return
        environment, _, name = key.rpartition("/")
        statuses = (document[of] for of in ("sync", "health", "trust"))
        words = (str(one["status"]) for one in statuses if isinstance(one, dict))
        self._known[key] = (environment, name, *words)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "plimsoll_deployment_info",
            "1 for each deployment, by its three statuses.",
            labels=("environment", "deployment", "sync", "health", "trust"),
        )
        for labels in list(self._known.values()):
            family.add_metric(labels, 1)
        yield family


class Hosts:
    """What each host has and holds, as it was seen last; what is not known has no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, what: str) -> Gauge:
            return Gauge(name, what, ["host"], registry=registry)

        self._has = {
            "memoryBytes": gauge(
                "plimsoll_host_memory_bytes", "Memory of the host's machine, or of its nodes."
            ),
            "cpus": gauge("plimsoll_host_cpus", "Cores of the host's machine, or of its nodes."),
        }
        self._held = {
            "memoryBytes": gauge(
                "plimsoll_host_instances_memory_bytes", "What its instances hold together."
            ),
            "cpus": gauge(
                "plimsoll_host_instances_busy_cpus", "Cores that its instances kept busy."
            ),
            "memoryLimit": gauge(
                "plimsoll_host_instances_memory_limit_bytes", "What they may hold together."
            ),
            "cpuLimit": gauge(
                "plimsoll_host_instances_limit_cpus", "Cores that they may take together."
            ),
        }

    def show(self, host: str, document: Mapping[str, Json]) -> None:
        """As the report of `host` says it."""
        for field, gauge in self._has.items():
            _set(gauge, host, document[field])
        for field, gauge in self._held.items():
            _set(gauge, host, host_report.total(document, field))

    def forget(self, host: str) -> None:
        """It is not ours any more."""
        for gauge in (*self._has.values(), *self._held.values()):
            _set(gauge, host, None)


def _set(gauge: Gauge, host: str, value: Json) -> None:
    number = fields.finite(value)
    if number is None:
        with suppress(KeyError):
            gauge.remove(host)
        return
    gauge.labels(host).set(number)


class AgentMetrics:
    """What an agent shows of itself besides."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry_at = Gauge(
            "plimsoll_agent_registry_last_answer_timestamp_seconds",
            "When the registry was heard of last.",
            registry=registry,
        )
        self._late = Gauge(
            "plimsoll_agent_offline_too_long",
            "1 while registry or Git were not heard of for longer than offline_hours.",
            registry=registry,
        )
        self._held = Gauge(
            "plimsoll_agent_holds_host", "1 while the host is this agent's own.", registry=registry
        )
        self._ahead = Gauge(
            "plimsoll_agent_clock_ahead_seconds",
            "How far this machine's clock is ahead of the registry's.",
            registry=registry,
        )

    def show(self, *, registry_at: float, is_late: bool, is_held: bool, ahead_s: float) -> None:
        """As it is now."""
        self._registry_at.set(registry_at)
        self._late.set(is_late)
        self._held.set(is_held)
        self._ahead.set(ahead_s)
