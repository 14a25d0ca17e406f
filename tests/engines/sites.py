"""A Docker host with all that a reconciler wants beside it: a registry, a repository, a version."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from typer.testing import CliRunner

from reconciler import config, service, state
from reconciler.cli import app
from reconciler.core.rollout import NO_ROLLOUT, Rollout
from reconciler.engines import wire
from reconciler.loop import Loop
from registry.api.server import Server
from registry.core import entries
from registry.core.entries import Kind
from registry.settings import Settings
from tests.engines import images
from tests.engines.rigs import Docker
from tests.reconciler import town
from tests.reconciler.origin import Origin
from tests.registry.publishing import Publisher, onnx_model, publish

KEY = "production/digits"
ALICE = Publisher()


@dataclass
class Site:
    """`image` is what runs there; `versions` counts what was published."""

    folder: Path
    rig: Docker
    registry: httpx2.Client
    origin: Origin
    image: str
    versions: int = 0
    templates: dict[str, str] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)

    def publish(self, *, adds: float = 1.0) -> str:
        """A new version, which adds so much to what it is sent; nobody asks for it yet."""
        self.versions += 1
        # The file beside it makes versions differ that answer alike.
        files = {"model.onnx": onnx_model(adds), "README.md": f"{self.versions}\n".encode()}
        answer = publish(self.registry, ALICE, files, version=self.versions)
        assert answer.status_code == 201, answer.text
        self.digests[self.versions] = digest = str(answer.json()["digest"])
        return digest

    def ask_for(self, strategy: str, *, adds: float = 1.0) -> int:
        """A new version by this strategy."""
        digest, hosts = self.publish(adds=adds), f"[{self.rig.host}]"
        text = town.manifest(self.versions, digest, hosts=hosts, strategy=strategy)
        text = text.replace("plimsoll-runtime:dev", self.image).replace("512Mi", "256Mi")
        files_in_git: dict[str, str | None] = {town.DEPLOYMENT: text, **self.templates}
        self.origin.commit(files_in_git, f"Serve version {self.versions}")
        return self.versions

    def known(self) -> Rollout:
        """What the reconciler has on disk of the rollout."""
        return state.peek(config.load(self.config).state).get(KEY, NO_ROLLOUT)

    def has_settled(self, version: int) -> bool:
        """Whether `version` serves alone, and nothing is under way any more."""
        known = self.known()
        good = known.on(self.rig.host).last_good
        is_good = good is not None and good.version == version and known.progress is None
        return is_good and len(self.rig.engine.observe().instances) == 1

    @property
    def config(self) -> Path:
        return self.folder / "plimsoll.toml"

    def say(self, *words: str) -> None:
        """A command of a person about the rollout."""
        command = [words[0], KEY, *words[1:], "--config", str(self.config)]
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output

    def log(self) -> list[tuple[Kind, int | None]]:
        """What the registry's log has of the deployment: what happened, to which version."""
        listed = self.registry.get("/log/entries?start=0&limit=1000").json()["entries"]
        found = [entries.decode(base64.b64decode(one["leaf"])) for one in listed]
        return [(one.kind, one.version) for one in found if one.deployment == KEY]


@contextmanager
def site(folder: Path, rig: Docker, *, image: str = images.STANDIN) -> Iterator[Site]:
    """Nothing serves yet."""
    settings = Settings(data_dir=folder / "registry", listen=("0.0.0.0:0",))
    ALICE.list_in(settings.publishers_file)
    with ExitStack() as stack:
        server = Server(settings)
        server.start()
        stack.callback(server.stop)
        origin = Origin(folder / "remote")
        host = town.HOST.format(name=rig.host).replace("8501", str(rig.port))
        files = {
            f"models.d/hosts/{rig.host}.yaml": host,
            "policies/deploy/signed.yaml": town.POLICY,
        }
        origin.commit({**files})
        http = stack.enter_context(town.admin(server, settings))
        town.write_config(folder, server, origin, http)
        made = Site(folder, rig, http, origin, image)
        port = server.addresses[0].rpartition(":")[2]
        with made.config.open("a") as file:
            file.write(f'ingress_image = "{images.INGRESS}"\npoll_seconds = 1\n')
            file.write(f'host_registry = "http://host.docker.internal:{port}"\n')
        yield made


@contextmanager
def reconciled(here: Site) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """A reconciler that works for as long as something is waited for."""
    with service.assembled(config.load(here.config)) as (loop, _):
        yield lambda is_so: _until(here, loop, is_so)


def _until(here: Site, loop: Loop, is_so: Callable[[], bool]) -> None:
    assert wire.until(lambda: loop.tick() > 0 and is_so(), timeout=300), here.known()
