"""A reconciler with everything real around it but the hosts: registry, log, Git, clock.

Nothing here depends on how quick the machine is: whatever a round did not wait for is waited for
before the next one, Git is looked at when a test says so, and the registry is given a minute.
"""

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2

from reconciler import client, config, engines, service
from reconciler.core.observed import Instance
from reconciler.loop import Loop
from registry.api.server import Server
from registry.core import entries
from registry.settings import Running, Settings
from tests.reconciler.origin import Origin
from tests.reconciler.simulated import SimulatedEngine
from tests.registry.publishing import Publisher, onnx_model, publish

DEFAULT_RUNNING = Running()
DEPLOYMENT = "models.d/production/digits.yaml"

HOST = """\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {{name: {name}}}
spec:
  engine: {{address: unix:///var/run/docker.sock}}
  ingress: {{port: 8501}}
"""

POLICY = """\
apiVersion: plimsoll.dev/v1
kind: Policy
metadata: {name: signed}
spec:
  mode: enforce
  match: {}
  validations:
    - expression: verification.publisher == "alice"
      message: only alice may publish here
"""


def manifest(
    version: int,
    digest: str,
    *,
    hosts: str = "[edge-1]",
    deadline: int = 600,
    strategy: str = "blueGreen: {scaleDownDelaySeconds: 0}",
) -> str:
    """A deployment without acceptance tests: simulated hosts answer no requests."""
    return f"""\
apiVersion: plimsoll.dev/v1
kind: ModelDeployment
metadata: {{name: digits, environment: production}}
spec:
  model:
    name: digits
    version: {version}
    digest: {digest}
  targets: {{hosts: {hosts}}}
  runtime: {{image: "plimsoll-runtime:dev", format: onnx, resources: {{memory: 512Mi, cpus: 1}}}}
  strategy: {{{strategy}}}
  progressDeadlineSeconds: {deadline}
"""


@dataclass
class Town:
    """`loop` reconciles `origin` onto `hosts`; `registry` speaks as the admin."""

    folder: Path
    registry: httpx2.Client
    server: Server
    origin: Origin
    loop: Loop
    hosts: dict[str, SimulatedEngine]
    digests: dict[int, str] = field(default_factory=dict)

    def publish(self, version: int, publisher: Publisher) -> str:
        """A new version whose bytes depend on its number."""
        answer = publish(
            self.registry, publisher, {"model.onnx": onnx_model(float(version))}, version=version
        )
        assert answer.status_code == 201, answer.text
        self.digests[version] = answer.json()["digest"]
        return self.digests[version]

    def deploy(self, version: int, *, hosts: str = "[edge-1]", deadline: int = 600) -> str:
        """Commit and push, then tell the loop."""
        text = manifest(version, self.digests[version], hosts=hosts, deadline=deadline)
        commit = self.origin.commit({DEPLOYMENT: text}, f"Serve version {version}")
        self.loop.hint()
        return commit

    def settle(self, rounds: int = 40) -> None:
        """Tick until nothing is written for some rounds."""
        quiet = 0
        for _ in range(rounds):
            before = sum(len(host.writes) for host in self.hosts.values())
            self.loop.tick()
            self.await_slow_work()
            after = sum(len(host.writes) for host in self.hosts.values())
            quiet = quiet + 1 if before == after else 0
            if quiet == 6:
                return

    def rounds(self, count: int) -> None:
        """So many, each with all that it began."""
        for _ in range(count):
            self.loop.tick()
            self.await_slow_work()

    def await_slow_work(self) -> None:
        """What a round did not wait for has ended."""
        await_slow_work(self.loop)

    def serving(self, host: str = "edge-1") -> Instance | None:
        return self.hosts[host].serving("digits")

    def log(self) -> list[entries.Entry]:
        """The registry's log."""
        listed = self.registry.get("/log/entries?start=0&limit=1000").json()["entries"]
        return [entries.decode(base64.b64decode(one["leaf"])) for one in listed]

    def status(self) -> dict[str, object]:
        """What the registry shows of the deployment."""
        return dict(self.registry.get("/v1/deployments/production/digits").json())


def await_slow_work(loop: Loop) -> None:
    """What a round of `loop` did not wait for has ended: a fetch, a push, a look at a slow host or
    actions there."""
    deadline = time.monotonic() + 60
    while _is_busy(loop) and time.monotonic() < deadline:
        time.sleep(0.01)


def _is_busy(loop: Loop) -> bool:
    beside: list[Future[Any] | None] = [loop._proposing, loop.source._fetching]
    beside += loop._measuring._running.values()
    beside += [lane._looking for lane in loop.lanes._lanes.values()]
    is_working = any(one is not None and not one.done() for one in beside)
    is_working = is_working or bool(loop._testing.running())
    return is_working or loop.follower.busy() or bool(loop.lanes.busy())


@contextmanager
def town(
    folder: Path, publisher: Publisher, more: str = "", *, running: Running = DEFAULT_RUNNING
) -> Iterator[Town]:
    """A registry that trusts `publisher`, two hosts that run nothing, and a reconciler.

    `more` is added to its configuration, `running` is of the registry's.
    """
    settings = Settings(data_dir=folder / "registry", listen=("127.0.0.1:0",), running=running)
    publisher.list_in(settings.publishers_file)
    with ExitStack() as stack:
        server = Server(settings)
        server.start()
        stack.callback(server.stop)
        origin = Origin(folder / "remote")
        names = ("edge-1", "edge-2")
        files = {f"models.d/hosts/{name}.yaml": HOST.format(name=name) for name in names}
        origin.commit({**files, "policies/deploy/signed.yaml": POLICY})
        hosts = {name: SimulatedEngine(name) for name in names}
        http = stack.enter_context(admin(server, settings))
        write_config(folder, server, origin, http)
        with (folder / "plimsoll.toml").open("a") as file:
            file.write(f"poll_seconds = 3600\n{more}")
        yield Town(
            folder, http, server, origin, stack.enter_context(reconciler(folder, hosts)), hosts
        )


@contextmanager
def reconciler(folder: Path, hosts: dict[str, SimulatedEngine]) -> Iterator[Loop]:
    """A (new) reconciler on the same state folder and the same hosts."""

    def connect(*, host: str, **_: object) -> SimulatedEngine:
        return hosts[host]

    with (
        patch.object(engines, "connect", connect),
        patch.object(client, "_TIMEOUT", httpx2.Timeout(60.0)),
        service.assembled(config.load(folder / "plimsoll.toml")) as (loop, _),
    ):
        yield loop


def admin(server: Server, settings: Settings) -> httpx2.Client:
    token = settings.admin_token_file.read_text().strip()
    return httpx2.Client(
        base_url=server.addresses[0], headers={"Authorization": f"Bearer {token}"}, timeout=60
    )


def write_config(folder: Path, server: Server, origin: Origin, http: httpx2.Client) -> None:
    (folder / "plimsoll.toml").write_text(
        f"""
[reconciler]
repository = {json.dumps(origin.url)}
registry = {json.dumps(server.addresses[0])}
"""
    )
    answer = http.post("/v1/tokens", json={"role": "reconciler", "name": "reconciler"})
    (folder / "reconciler.token").write_text(answer.json()["token"])
