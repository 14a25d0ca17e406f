"""Two real Docker hosts across a network, a real registry, Git and reconciler; then faults.

`north` outlives its dockerd (live-restore) and `south` does not; the disk of `south` is small.
Clients ask from inside each host, so that what they see is the model's and not the network's.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx2

from reconciler import config, leases, service
from reconciler.core import kinds
from reconciler.engines import wire
from reconciler.engines.protocol import Engine
from reconciler.loop import Loop
from registry.api.server import Server
from registry.core import entries
from registry.settings import Settings
from tests.engines import docker_hosts, images, load, rigs
from tests.engines.docker_hosts import Host
from tests.engines.faults import record
from tests.reconciler import town
from tests.reconciler.origin import Origin
from tests.registry.publishing import Publisher, onnx_model, publish

PORT = 8501
NAMES = ("north", "south")
_PACE_S = 0.02
_SOON_S = 150.0

_HOST = """\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {{name: {name}}}
spec:
  engine: {{address: "tcp://{address}:2376"}}
  ingress: {{port: 8501}}
"""


@dataclass
class Fleet:
    """`registry` speaks as the admin; `changes` is who changed what on which host, and when, and
    `holds` what is to wait before it does."""

    folder: Path
    settings: Settings
    server: Server
    registry: httpx2.Client
    origin: Origin
    publisher: Publisher
    hosts: dict[str, Host]
    version: int = 0
    changes: list[record.Change] = field(default_factory=list)
    holds: list[record.Hold] = field(default_factory=list)

    @property
    def north(self) -> Host:
        return self.hosts["north"]

    @property
    def south(self) -> Host:
        return self.hosts["south"]

    def deploy(self, *, image: str = images.STANDIN) -> int:
        """Publish another version and ask for it on both hosts; returns its number."""
        self.publish()
        self.origin.commit({town.DEPLOYMENT: self.wish(image)}, f"Serve version {self.version}")
        return self.version

    def publish(self) -> None:
        version = self.version + 1
        files = {"model.onnx": onnx_model(float(version))}
        answer = publish(self.registry, self.publisher, files, version=version)
        assert answer.status_code == 201, answer.text
        self.version, self.digest = version, str(answer.json()["digest"])

    def wish(self, image: str = images.STANDIN) -> str:
        text = town.manifest(self.version, self.digest, hosts="[north, south]")
        return text.replace("plimsoll-runtime:dev", image).replace("512Mi", "64Mi")

    @contextmanager
    def reconciling(self, name: str = "") -> Iterator[Loop]:
        """A reconciler at work; with a `name` it shares the fleet with others."""
        folder = configured(self, name)
        with service.assembled(config.load(folder / "plimsoll.toml")) as (loop, _):
            connect = loop.lanes._connect

            def watched(host: str, kind: kinds.Host) -> Engine:
                found = record.Watched(
                    connect(host, kind),
                    host=host,
                    writer=name,
                    changes=self.changes,
                    holds=self.holds,
                    reading=leases._READING,
                )
                return cast("Engine", found)

            loop.lanes._connect = watched
            stop = threading.Event()
            thread = threading.Thread(target=loop.run, args=(stop,))
            thread.start()
            try:
                yield loop
            finally:
                stop.set()
                loop.notice()
                thread.join()

    @contextmanager
    def midway(self, host: str) -> Iterator[int]:
        """The rollout of another version, which has started its instance on `host`: traffic there
        does not move before the block ends."""
        hold = record.Hold(host, "route")
        self.holds.append(hold)
        try:
            version = self.deploy()
            assert hold.is_reached.wait(_SOON_S), f"nothing moves traffic on {host}"
            assert len(instances(self.hosts[host])) == 2
            yield version
        finally:
            self.holds.remove(hold)
            hold.is_over.set()

    @contextmanager
    def asking(self, host: str) -> Iterator[load.Load]:
        """Clients inside `host`, about fifty requests a second."""
        there = self.hosts[host]
        url = f"http://{there.address}:{PORT}"
        with load.running(url, clients=2, pause=_PACE_S, enter=there.enter_network) as asking:
            yield asking

    def answering(self, host: str, *, patience: float = 2.0) -> str:
        """The version that answers clients across the network; empty when none does."""
        url = f"http://{self.hosts[host].address}:{PORT}/v1/models/digits:predict"
        try:
            answer = wire.ask(url, method="POST", body=b"{}", timeout=patience)
        except Exception:  # noqa: BLE001  whatever the fault makes of it
            return ""
        return answer.headers.get("plimsoll-version", "") if answer.status == 200 else ""

    def serving(self) -> set[str]:
        """The versions that clients of the hosts get now, by whoever takes his time."""
        return {self.answering(host, patience=60) for host in NAMES}

    def await_version(self, version: int, *hosts: str) -> None:
        for host in hosts or NAMES:
            until(lambda host=host: self.answering(host) == str(version), f"{version} on {host}")

    def await_converged(self, version: int) -> None:
        """Both hosts serve it, nothing else runs, and the registry shows it so."""
        self.await_version(version)
        until(lambda: self.status() == ("Synced", "Healthy"), "a converged deployment")
        for host in self.hosts.values():
            until(lambda host=host: len(instances(host)) == 1, f"one instance on {host.name}")

    def status(self) -> tuple[str, str]:
        found = self.registry.get("/v1/deployments/production/digits").json()
        return found["sync"]["status"], found["health"]["status"]

    def waits(self) -> str:
        """Why the deployment waits, in the registry's words."""
        return str(self.registry.get("/v1/deployments/production/digits").json())

    def assert_whole(self) -> None:
        """No two changed one host at the same time, and the log tells of every change."""
        assert record.clashes(self.changes) == []
        start, log = 0, []
        while leaves := self._leaves(start):
            log += [entries.decode(base64.b64decode(one["leaf"])) for one in leaves]
            start += len(leaves)
        assert record.untold(self.changes, log) == []

    def _leaves(self, start: int) -> list[dict[str, str]]:
        found = self.registry.get(f"/log/entries?start={start}&limit=1000").json()
        return list(found.get("entries", ()))

    def stop_registry(self) -> None:
        self.server.stop()

    def restart_registry(self) -> None:
        self.server = Server(self.settings)
        self.server.start()


def instances(host: Host) -> list[str]:
    """The names of all runtime containers, running or not."""
    listed = host.docker("ps -a --filter label=dev.plimsoll.kind=runtime --format '{{.Names}}'")
    return listed.split()


def kill_instance(host: Host) -> None:
    """SIGKILL to the only one, and until it runs again: clients may notice nothing of it."""
    (instance,) = instances(host)
    started = f"inspect --format '{{{{.State.StartedAt}}}}' {instance}"
    before = host.docker(started)
    host.docker(f"kill {instance}")
    until(lambda: host.docker(started) != before, "restart")


def until(is_so: Callable[[], bool], what: str) -> None:
    assert wire.until(is_so, timeout=_SOON_S), f"no {what}"


def answered(asking: load.Load) -> bool:
    """Whether whoever was connected got its answers: dockerd lays its rules of ports anew as it
    starts, and until they are there it is new connections that are refused."""
    return all("ConnectionRefused" in one for one in asking.failures)


def configured(fleet: Fleet, name: str) -> Path:
    """The folder of a reconciler's configuration and state."""
    folder = fleet.folder / (name or "alone")
    folder.mkdir(exist_ok=True)
    shared = f'name = "{name}"\nlease_seconds = 20\n' if name else ""
    text = f"""
[reconciler]
{shared}poll_seconds = 0.3
repository = {json.dumps(fleet.origin.url)}
registry = {json.dumps(fleet.server.addresses[0])}
ingress_image = "{images.INGRESS}"
credentials = {json.dumps(str(fleet.folder / "credentials"))}
trust_file = {json.dumps(str(fleet.settings.data_dir / "trust.json"))}
token_file = {json.dumps(str(fleet.folder / "reconciler.token"))}
"""
    (folder / "plimsoll.toml").write_text(text)
    return folder


@contextmanager
def made(folder: Path) -> Iterator[Fleet]:
    """Everything switched on, and version 1 serving on both hosts."""
    publisher = Publisher()
    port = rigs.free_port()
    settings = Settings(data_dir=folder / "registry", listen=(f"127.0.0.1:{port}",))
    publisher.list_in(settings.publishers_file)
    lan = docker_hosts.Lan(folder / "lan")
    with ExitStack() as stack:
        stack.callback(lan.down)
        lan.up()
        hosts = {name: _switched_on(lan, name) for name in NAMES}
        server = Server(settings)
        server.start()
        http = stack.enter_context(town.admin(server, settings))
        origin = Origin(folder / "remote")
        origin.commit(
            {f"models.d/hosts/{name}.yaml": _HOST.format(name=name, address=host.address)
             for name, host in hosts.items()}
            | {"policies/deploy/signed.yaml": town.POLICY}
        )  # fmt: skip
        answer = http.post("/v1/tokens", json={"role": "reconciler", "name": "reconciler"})
        (folder / "reconciler.token").write_text(answer.json()["token"])
        fleet = Fleet(folder, settings, server, http, origin, publisher, hosts)
        stack.callback(fleet.stop_registry)
        with fleet.reconciling():
            fleet.await_converged(fleet.deploy())
        yield fleet


def _switched_on(lan: docker_hosts.Lan, name: str) -> Host:
    host = lan.add_bare_host()
    if name == "south":
        host.run(_SMALL_DISK.format(folder=host.folder))
    host.start_docker(more="--live-restore" if name == "north" else "")
    for image in (images.STANDIN, images.INGRESS):
        host.load(image)
    credentials = lan.folder.parent / "credentials"
    credentials.mkdir(exist_ok=True)
    (credentials / name).symlink_to(lan.credentials)
    return host


_SMALL_DISK = """
    test -e {folder}/disk || (truncate -s 900M {folder}/disk; mkfs.ext4 -q {folder}/disk)
    mkdir -p {folder}/data
    mount -o loop {folder}/disk {folder}/data"""


def come_back(host: Host) -> None:
    """Power is there again: the machine starts, and Docker with it."""
    host.switch_on()
    if (host.folder / "disk").exists():
        host.run(_SMALL_DISK.format(folder=host.folder))
    start_docker(host)


def start_docker(host: Host) -> None:
    host.start_docker(more="" if (host.folder / "disk").exists() else "--live-restore")


def pause(seconds: float) -> None:
    """For what must last: a fault, never the waiting for an effect."""
    time.sleep(seconds)
