"""A host in memory behind the real `Engine` protocol; it passes the suite that Docker passes.

Turn its knobs to make it misbehave: `unreachable`, `faults`, `crash_after_create`, `becomes`,
`images`. Read `writes` to see what was asked of it and `outages` to see when a model that
was answered stopped being answered.
"""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from reconciler.core.observed import Health, HostState, Instance, InstanceSpec, Phase, Route
from reconciler.core.usage import Resources, Usage
from reconciler.engines.protocol import Endpoint, Launch, Trials
from registry import errors


class Told:
    """What a simulated host says as it happens, until it is closed."""

    def __init__(self) -> None:
        self.words: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[str]:
        return iter(self.words.get, "")

    def close(self) -> None:
        self.words.put("")


class Crashed(Exception):
    """The reconciler died in the middle of a call; what was done so far stays done."""


@dataclass
class SimulatedEngine:
    """`looks_until_healthy` is how many calls of `observe` show a new instance as starting."""

    host: str
    images: set[str] = field(default_factory=lambda: {"plimsoll-runtime:dev"})
    memory_bytes: int = 8 << 30
    looks_until_healthy: int = 1
    becomes: dict[str, Health] = field(default_factory=dict)
    """What instances of a digest become instead of healthy."""
    unreachable: str = ""
    faults: dict[str, Exception] = field(default_factory=dict)
    """Method name to the error it raises, once, before it does anything."""
    losses: dict[str, Exception] = field(default_factory=dict)
    """Method name to the error it raises, once, when it has done all of it."""
    crash_after_create: bool = False
    preview_url: str = ""
    """Who answers for its instances before they get traffic; nobody does by itself."""
    written: dict[str, str] = field(default_factory=dict)
    """What instances write, by name."""
    busy_s: float = 1.5
    """The processor time that each instance has taken."""
    ingress_running: bool = False
    instances: dict[str, Instance] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    launches: dict[str, Launch] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    outages: list[str] = field(default_factory=list)
    listeners: list[Told] = field(default_factory=list)
    tests: Trials | None = None
    """What runs tests in containers there; nothing does by itself."""
    _memory: dict[str, int] = field(default_factory=dict)
    _limits: dict[str, tuple[int, float]] = field(default_factory=dict)
    _looks: dict[str, int] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def observe(self) -> HostState:
        with self._lock:
            self._reach("observe")
            for name in list(self.instances):
                self._grow(name)
            return HostState(
                host=self.host,
                instances=tuple(self.instances[name] for name in sorted(self.instances)),
                routes=tuple(self.routes[model] for model in sorted(self.routes)),
                ingress_ready=self.ingress_running,
            )

    def changes(self) -> Told:
        with self._lock:
            self._reach("changes")
            self.listeners.append(Told())
            return self.listeners[-1]

    def preflight(self, spec: InstanceSpec) -> list[str]:
        with self._lock:
            self._reach("preflight")
            reasons = []
            if spec.image not in self.images:
                reasons.append(f"image {spec.image} is not on {self.host}")
            if sum(self._memory.values()) + spec.memory_bytes > self.memory_bytes:
                reasons.append(f"{self.host} has too little memory left")
            return reasons

    def start(self, spec: InstanceSpec, launch: Launch) -> None:
        with self._lock:
            self._reach("start")
            if spec.image not in self.images:
                fix = f"load {spec.image} on {self.host}"
                raise errors.EngineRefused(f"image {spec.image} is missing", fix=fix)
            self.ingress_running = True
            known = self.instances.get(spec.name)
            if known is not None and known.phase is Phase.RUNNING:
                return
            self._write(f"start {spec.name}")
            self.instances[spec.name] = Instance.of(spec, Phase.CREATED, Health.NONE)
            self._memory[spec.name] = spec.memory_bytes
            self._limits[spec.name] = spec.memory_bytes, spec.cpus
            if self.crash_after_create:
                self.crash_after_create = False
                raise Crashed
            self.launches[spec.name] = launch
            self._run(spec.name)
            self._lose("start")

    def restart(self, instance: str) -> None:
        with self._lock:
            self._reach("restart")
            known = self._known(instance)
            if known.phase is Phase.CREATED:
                fix = "start it again from its spec"
                raise errors.EngineRefused(f"{instance} never got its launch files", fix=fix)
            if known.phase is Phase.EXITED:
                self._write(f"restart {instance}")
                self._run(instance)

    def renew(self, spec: InstanceSpec, launch: Launch) -> None:
        with self._lock:
            self._reach("renew")
            self._known(spec.name)
            self._write(f"renew {spec.name}")
            self.launches[spec.name] = launch
            self._run(spec.name)

    def remove(self, instance: str) -> None:
        with self._lock:
            self._reach("remove")
            if any(instance in _receivers(route) for route in self.routes.values()):
                fix = "route the model elsewhere first"
                raise errors.EngineRefused(f"{instance} still gets traffic", fix=fix)
            if instance in self.instances:
                self._write(f"remove {instance}")
                for table in (self.instances, self._memory, self._looks, self.launches):
                    table.pop(instance, None)
            self._lose("remove")

    def route(self, route: Route) -> None:
        with self._lock:
            self._reach("route")
            for name in _receivers(route):
                if self._known(name).phase is not Phase.RUNNING:
                    raise errors.EngineRefused(f"{name} is not running", fix="start it first")
            if self.routes.get(route.model) == route and self.ingress_running:
                return
            share = "" if route.share is None else f" + {route.share.weight}%"
            self._write(f"route {route.model} -> {route.instance}{share}")
            served = self.serving(route.model)
            self.ingress_running = True
            self.routes[route.model] = route
            if served and not self.serving(route.model):
                self.outages.append(f"{route.model} was routed to {route.instance}, not healthy")
            self._lose("route")

    def unroute(self, model: str) -> None:
        with self._lock:
            self._reach("unroute")
            if model in self.routes:
                self._write(f"unroute {model}")
                if self.serving(model):
                    self.outages.append(f"{model} was unrouted")
                del self.routes[model]

    def preview(self, instance: str) -> Endpoint:
        with self._lock:
            self._reach("preview")
            self._known(instance)
            url = self.preview_url or f"http://{self.host}.simulated"
            return Endpoint(url, {"plimsoll-instance": instance})

    def front(self) -> Endpoint:
        return Endpoint(f"http://{self.host}.simulated", {})

    def logs(self, instance: str, *, lines: int = 50) -> str:
        with self._lock:
            self._reach("logs")
            name = self._known(instance).name
            return self.written.get(name, f"{name} in {lines} lines or fewer\n")

    def memory(self, instance: str) -> int:
        with self._lock:
            self._reach("memory")
            if self._known(instance).phase is not Phase.RUNNING:
                raise errors.EngineRefused(f"{instance} does not run", fix="start it first")
            return self._memory[instance] // 2

    def resources(self) -> Resources:
        with self._lock:
            self._reach("resources")
            running = [n for n, one in self.instances.items() if one.phase is Phase.RUNNING]
            used = {
                name: Usage(self._memory[name] // 2, self.busy_s, *self._limits[name])
                for name in running
            }
            return Resources(self.memory_bytes, 4.0, used)

    def trials(self) -> Trials:
        if self.tests is not None:
            return self.tests
        raise errors.EngineRefused(f"{self.host} runs no containers", fix="use a Docker host")

    def close(self) -> None:
        pass

    def kill(self, instance: str, *, exit_code: int = 137) -> None:
        """The instance's process dies by itself."""
        with self._lock:
            known = self._known(instance)
            self.instances[instance] = replace(
                known, phase=Phase.EXITED, health=Health.NONE, exit_code=exit_code
            )
            self._tell(f"{instance} died")

    def stop_ingress(self) -> None:
        """The ingress dies; its routes stay on disk."""
        self.ingress_running = False
        self._tell("the ingress died")

    def serving(self, model: str) -> Instance | None:
        """The healthy instance that answers clients of `model` now, if one does."""
        route = self.routes.get(model)
        instance = self.instances.get(route.instance) if route and self.ingress_running else None
        return instance if instance and instance.health is Health.HEALTHY else None

    def settle(self) -> None:
        """Every running instance becomes what it becomes, without waiting for looks."""
        with self._lock:
            for name in self.instances:
                self._looks[name] = self.looks_until_healthy
                self._grow(name)

    def _run(self, name: str) -> None:
        self._looks[name] = 0
        self.instances[name] = replace(
            self.instances[name], phase=Phase.RUNNING, health=Health.STARTING, exit_code=None
        )

    def _grow(self, name: str) -> None:
        known = self.instances[name]
        if known.phase is Phase.RUNNING and known.health is Health.STARTING:
            if self._looks[name] >= self.looks_until_healthy:
                health = self.becomes.get(known.digest, Health.HEALTHY)
                self.instances[name] = replace(known, health=health)
            self._looks[name] += 1

    def _reach(self, method: str) -> None:
        if self.unreachable:
            fix = f"check that {self.host} is up"
            raise errors.EngineUnreachable(f"{self.host}: {self.unreachable}", fix=fix)
        if fault := self.faults.pop(method, None):
            raise fault

    def _lose(self, method: str) -> None:
        if loss := self.losses.pop(method, None):
            raise loss

    def _tell(self, words: str) -> None:
        for listener in self.listeners:
            listener.words.put(words)

    def _known(self, instance: str) -> Instance:
        if instance not in self.instances:
            fix = "look at the host again"
            raise errors.EngineRefused(f"{instance} is not on {self.host}", fix=fix)
        return self.instances[instance]

    def _write(self, what: str) -> None:
        self.writes.append(what)


def _receivers(route: Route) -> tuple[str, ...]:
    """The instances that get any of the route's traffic."""
    return (route.instance,) if route.share is None else (route.instance, route.share.instance)
