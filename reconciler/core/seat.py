"""One deployment's place on one reachable host: what is there, what is remembered of it.

Enough to look after what serves, also where the deployment's file cannot be read.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from reconciler.core.desired import Deployment
from reconciler.core.observed import Health, HostState, Instance, InstanceSpec, Phase, Route, Share
from reconciler.core.rollout import HostRollout

RESTART_WINDOW_S = 300.0
CRASH_LOOP_RESTARTS = 5


@dataclass(frozen=True, slots=True)
class Remains:
    """Everything on one host that belongs to one deployment; routes by model."""

    instances: dict[str, Instance] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seat:
    """`claimant` tells which deployment is asked to serve a model here, maybe this one."""

    host: str
    deployment: str
    facts: HostRollout
    remains: Remains
    ingress_ready: bool
    claimant: Callable[[str], str | None]
    clock: Callable[[], float]
    ingress_drift: str = ""

    @property
    def now(self) -> float:
        """Seconds since the epoch; that it was asked for is written down (`fleet`)."""
        return self.clock()

    def successor(self, model: str) -> str | None:
        """The other deployment that is asked to serve `model` here."""
        claimed = self.claimant(model)
        return None if claimed == self.deployment else claimed

    def instance_of(self, spec: InstanceSpec) -> Instance | None:
        """The instance of `spec`, if it exists."""
        return self.remains.instances.get(spec.name)

    def is_routed(self, spec: InstanceSpec) -> bool:
        """Whether clients of the model are sent to the instance of `spec`."""
        route = self.remains.routes.get(spec.model)
        return route is not None and route.instance == spec.name

    def has_traffic(self, instance: str) -> bool:
        """Whether any model's clients, or copies of what they ask, are sent to `instance`."""
        return any(
            instance in (route.instance, route.share.instance if route.share else "")
            for route in self.remains.routes.values()
        )

    def share_of(self, spec: InstanceSpec) -> Share | None:
        """What of the traffic of the model of `spec` somebody else has than who serves it."""
        route = self.remains.routes.get(spec.model)
        return None if route is None else route.share

    @property
    def shared(self) -> bool:
        """Whether anybody has a part of any model's traffic here."""
        return any(route.share is not None for route in self.remains.routes.values())

    def serving(self) -> Instance | None:
        """The instance that clients are sent to, if it exists."""
        named = sorted(route.instance for route in self.remains.routes.values())
        found = [self.remains.instances[name] for name in named if name in self.remains.instances]
        return min(found, key=lambda instance: not is_healthy(instance), default=None)

    def recent_restarts(self, instance: str) -> list[float]:
        """When `instance` was restarted or put right within the window, oldest first."""
        since = self.now - RESTART_WINDOW_S
        return [
            known.at
            for known in self.facts.restarts
            if known.instance == instance and known.at > since
        ]

    def is_crash_looping(self, instance: Instance | None) -> bool:
        """Whether `instance` has exited again after as many restarts as it may have."""
        return (
            instance is not None
            and instance.phase is Phase.EXITED
            and len(self.recent_restarts(instance.name)) >= CRASH_LOOP_RESTARTS
        )


def sort_by_deployment(state: HostState) -> dict[str, Remains]:
    """What `state` shows, by deployment."""
    found: dict[str, Remains] = {}
    for instance in state.instances:
        found.setdefault(instance.deployment, Remains()).instances[instance.name] = instance
    for route in state.routes:
        found.setdefault(route.deployment, Remains()).routes[route.model] = route
    return found


def claims(deployments: Iterable[Deployment]) -> dict[str, dict[str, str]]:
    """For each host, which deployment is asked to serve each model."""
    found: dict[str, dict[str, str]] = {}
    for deployment in deployments:
        for host in deployment.hosts:
            found.setdefault(host, {})[deployment.manifest.spec.model.name] = deployment.key
    return found


def same(one: InstanceSpec | None, other: InstanceSpec) -> bool:
    """Whether no new instance is needed between the two; the commit does not count."""
    return one is not None and one.is_like(other)


def is_healthy(instance: Instance | None) -> bool:
    """Whether `instance` runs and its engine says that it is well."""
    return (
        instance is not None
        and instance.phase is Phase.RUNNING
        and instance.health is Health.HEALTHY
    )
