"""The three engines, each with the means to break it, so that one suite can ask all the same."""

import dataclasses
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import docker

from reconciler import engines
from reconciler.core.observed import Health, Instance, InstanceSpec, Route
from reconciler.engines import commands, process, records, tolerating, wire
from reconciler.engines.protocol import Endpoint, Engine, Launch
from registry import errors
from tests import ports
from tests.engines import images
from tests.reconciler.simulated import Crashed, SimulatedEngine
from tests.runtime import models, stand_in
from tests.runtime.process import halt

SOCKET = "unix:///var/run/docker.sock"
_ROW = b'{"instances": [[' + b", ".join([b"0"] * 64) + b"]]}"


class Rig(Protocol):
    """One host to put through its paces."""

    engine: Engine
    launch: Launch

    def spec(self, version: int = 1, *, model: str = "digits") -> InstanceSpec:
        """A version that becomes healthy."""

    def bad(self, version: int = 1) -> InstanceSpec:
        """A version that never does."""

    def reconnect(self) -> Engine:
        """What a restarted reconciler has: an engine that remembers nothing."""

    def unreachable(self) -> Engine:
        """The engine while the host does not answer."""

    def kill(self, spec: InstanceSpec) -> None:
        """End the instance from outside, for good."""

    def crash_before_start(self, spec: InstanceSpec) -> None:
        """Leave the instance as a reconciler does that dies half way through `start`."""

    def lose_ingress(self) -> None:
        """Stop what clients speak to."""

    def await_answers(self, spec: InstanceSpec) -> None:
        """Return once the instance answers predictions."""

    def answering(self, endpoint: Endpoint, path: str) -> int | None:
        """The version that answers a prediction; None when nothing of ours does."""


def served(rig: Rig, model: str = "digits") -> int | None:
    return rig.answering(rig.engine.front(), f"/v1/models/{model}:predict")


def previewed(rig: Rig, spec: InstanceSpec) -> int | None:
    path = f"/v1/models/{spec.model}/versions/{spec.version}:predict"
    return rig.answering(rig.engine.preview(spec.name), path)


def answers(rig: Rig, version: int, model: str = "digits") -> bool:
    """For who waits for it: what does not answer at all does not answer yet."""
    try:
        return served(rig, model) == version
    except errors.EngineUnreachable:
        return False


def start(rig: Rig, spec: InstanceSpec) -> None:
    """Start it and wait until it answers."""
    rig.engine.start(spec, rig.launch)
    rig.await_answers(spec)


def serve(rig: Rig, spec: InstanceSpec) -> None:
    start(rig, spec)
    rig.engine.route(route_to(spec))


def route_to(spec: InstanceSpec) -> Route:
    return Route(spec.model, spec.deployment, spec.name)


def seen(rig: Rig, spec: InstanceSpec) -> Instance | None:
    return next((i for i in rig.engine.observe().instances if i.name == spec.name), None)


def await_health(rig: Rig, spec: InstanceSpec, *wanted: Health) -> None:
    def is_so() -> bool:
        found = seen(rig, spec)
        return found is not None and found.health in wanted

    assert wire.until(is_so, timeout=60), (seen(rig, spec), rig.engine.logs(spec.name))


def free_port() -> int:
    """A port that is free, as is the one that previews go to."""
    return ports.free_port(also=commands.PREVIEW_OFFSET)


def _spec(host: str, model: str, version: int) -> InstanceSpec:
    return InstanceSpec(
        host=host,
        deployment=f"production/{model}",
        model=model,
        version=version,
        digest="sha256:" + f"{version:x}" * 64,
        format="onnx",
        image=images.STANDIN,
        memory_bytes=64 << 20,
        cpus=0.5,
        commit="c0ffee",
    )


def _answering(endpoint: Endpoint, path: str) -> int | None:
    answer = wire.ask(
        endpoint.url + path, method="POST", headers=endpoint.headers, body=_ROW, timeout=60
    )
    version = answer.headers.get("plimsoll-version")
    return int(version) if answer.status == 200 and version else None


@dataclasses.dataclass
class Simulated:
    engine: SimulatedEngine
    launch: Launch = Launch("http://registry", "secret", "{}")  # noqa: RUF009  a frozen value

    def spec(self, version: int = 1, *, model: str = "digits") -> InstanceSpec:
        return _spec("edge-1", model, version)

    def bad(self, version: int = 1) -> InstanceSpec:
        spec = self.spec(version)
        self.engine.becomes[spec.digest] = Health.UNHEALTHY
        return spec

    def reconnect(self) -> Engine:
        return self.engine

    def unreachable(self) -> Engine:
        self.engine.unreachable = "timed out"
        return self.engine

    def kill(self, spec: InstanceSpec) -> None:
        self.engine.kill(spec.name)

    def crash_before_start(self, spec: InstanceSpec) -> None:
        self.engine.crash_after_create = True
        try:
            self.engine.start(spec, self.launch)
        except Crashed:
            return

    def lose_ingress(self) -> None:
        self.engine.stop_ingress()

    def await_answers(self, spec: InstanceSpec) -> None:
        await_health(self, spec, Health.HEALTHY)

    def answering(self, endpoint: Endpoint, path: str) -> int | None:
        instance = endpoint.headers.get("plimsoll-instance")
        if instance is not None:
            return self.engine.instances[instance].version
        serving = self.engine.serving(path.split("/")[3].partition(":")[0])
        return serving.version if serving else None


@dataclasses.dataclass
class Process:
    engine: process.ProcessEngine
    launch: Launch
    registry: stand_in.StandIn
    connect: Callable[[], process.ProcessEngine]
    state: Path

    def spec(self, version: int = 1, *, model: str = "digits") -> InstanceSpec:
        found = self.registry.publish(models.onnx_digits(), model=model, version=version)
        spec = _spec("edge-1", model, version)
        return dataclasses.replace(spec, digest=found.wanted.digest)

    def bad(self, version: int = 1) -> InstanceSpec:
        """Published, but with another digest than the one that is pinned."""
        return dataclasses.replace(self.spec(version), digest="sha256:" + "b" * 64)

    def reconnect(self) -> Engine:
        return self.connect()

    def unreachable(self) -> Engine:
        halt(self.pid())
        engine = self.connect()
        engine._timeout = 1.0
        return engine

    def kill(self, spec: InstanceSpec) -> None:
        self.lose_ingress()

    def crash_before_start(self, spec: InstanceSpec) -> None:
        other = self.spec(9)
        self.engine.start(other, self.launch)
        path = self.state / "instances.json"
        known = records.read(path)
        self.engine.remove(other.name)
        records.write(path, dataclasses.replace(known, specs={spec.name: spec}))

    def lose_ingress(self) -> None:
        os.kill(self.pid(), signal.SIGKILL)
        assert wire.until(lambda: not self.engine.observe().ingress_ready, timeout=60)

    def await_answers(self, spec: InstanceSpec) -> None:
        await_health(self, spec, Health.HEALTHY)

    def answering(self, endpoint: Endpoint, path: str) -> int | None:
        return _answering(endpoint, path)

    def pid(self) -> int:
        pid = self.engine._process.pid()
        assert pid is not None
        return pid


@dataclasses.dataclass
class Docker:
    engine: Engine
    launch: Launch
    connect: Callable[[], Engine]
    host: str
    port: int
    api: docker.APIClient
    address: str
    front: engines.Front

    def spec(self, version: int = 1, *, model: str = "digits") -> InstanceSpec:
        return _spec(self.host, model, version)

    def bad(self, version: int = 1) -> InstanceSpec:
        return dataclasses.replace(self.spec(version), format="broken")

    def reconnect(self) -> Engine:
        return self.connect()

    def unreachable(self) -> Engine:
        return engines.connect(
            host=self.host,
            address="unix:///nowhere/docker.sock",
            front=engines.Front(port=self.port),
            state=Path("/nowhere"),
        )

    def kill(self, spec: InstanceSpec) -> None:
        """Newer engines answer before it is over."""
        self.api.kill(spec.name)
        self.api.wait(spec.name, timeout=60)

    def crash_before_start(self, spec: InstanceSpec) -> None:
        body = commands.runtime_container(spec, start_interval=False)
        self.engine.start(self.spec(9), self.launch)  # brings network and volumes
        self.engine.remove(self.spec(9).name)
        self.api.create_container_from_config(body, spec.name)

    def lose_ingress(self) -> None:
        self.api.kill(f"plimsoll-ingress-{self.host}")
        self.api.wait(f"plimsoll-ingress-{self.host}", timeout=60)

    def await_answers(self, spec: InstanceSpec) -> None:
        """Docker itself looks every other second only, and most tests need not wait for that."""

        def is_so() -> bool:
            try:
                return previewed(self, spec) is not None
            except errors.EngineUnreachable:
                return False

        assert wire.until(is_so, timeout=60), self.engine.logs(spec.name)

    def answering(self, endpoint: Endpoint, path: str) -> int | None:
        return _answering(endpoint, path)


@contextmanager
def simulated() -> Iterator[Simulated]:
    yield Simulated(SimulatedEngine("edge-1", images={images.STANDIN}))


@contextmanager
def processes(state: Path) -> Iterator[Process]:
    registry, port = stand_in.StandIn(), free_port()

    def connect() -> process.ProcessEngine:
        return process.ProcessEngine("edge-1", state=state, port=port, timeout=60)

    with registry.answering():
        launch = Launch(registry.url, stand_in.TOKEN, registry.trust().decode())
        engine = connect()
        try:
            yield Process(engine, launch, registry, connect, state)
        finally:
            if (pid := engine._process.pid()) is not None:
                with suppress(ProcessLookupError):  # it was about to end by itself
                    os.kill(pid, signal.SIGKILL)
                assert wire.until(lambda: engine._process.pid() is None, timeout=60)


@contextmanager
def docker_host(
    address: str = SOCKET, *, reach: str = "", grpc_port: int = 0, driver: str = "traefik"
) -> Iterator[Docker]:
    """A host of its own on a real engine; nothing of it is left afterwards."""
    host, port = f"test-{uuid.uuid4().hex[:8]}", free_port()
    preview = "0.0.0.0" if reach else ""  # noqa: S104  another machine, as far as we know
    front = engines.Front(
        port=port,
        image=images.INGRESS if driver == "traefik" else images.HAPROXY,
        reach=reach,
        preview_bind=preview,
        grpc_port=grpc_port,
        driver=driver,
    )

    api = docker.APIClient(base_url=address, version="1.41", timeout=60)
    api.trust_env = False
    launch = Launch("http://host.docker.internal:1", "a-secret-token", '{"secret": "trust"}')
    with ExitStack() as closing:
        closing.callback(api.close)
        closing.callback(sweep, api, host)

        def connect() -> Engine:
            engine = engines.connect(
                host=host, address=address, front=front, state=Path("/nowhere"), timeout=60
            )
            closing.callback(engine.close)
            return engine

        yield Docker(connect(), launch, connect, host, port, api, address, front)


def sweep(api: docker.APIClient, host: str) -> None:
    """Remove all that is of `host`; what another removes at this moment is waited for."""
    assert wire.until(lambda: _is_swept(api, host), timeout=60), f"something of {host} is left"


def _is_swept(api: docker.APIClient, host: str) -> bool:
    containers = api.containers(all=True, filters={"label": commands.owned_by(host)})
    for entry in containers:
        with tolerating.absence(), tolerating.conflict():
            api.remove_container(entry["Id"], v=True, force=True)
    names = {commands.cache_volume(host), f"plimsoll-ingress-{host}"}
    volumes = names & {one["Name"] for one in api.volumes()["Volumes"] or []}
    for name in volumes:
        with tolerating.absence(), tolerating.conflict():
            api.remove_volume(name, force=True)
    return not containers and not volumes


def answer_status(endpoint: Endpoint, path: str) -> int:
    return wire.ask(endpoint.url + path, headers=endpoint.headers, timeout=60).status
