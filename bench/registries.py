"""A registry in a process of its own, started as users start it, with one publisher it trusts."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import addresses, processes, wire
from registry.cli.client import Client
from registry.trust import keys

PUBLISHER = "bench"
_STARTING_S = 60.0


@dataclass(frozen=True, slots=True)
class Installation:
    """What is there before the first start: a configuration, and one trusted publisher's key.

    `database` is its address; empty means a SQLite file in `data`.
    """

    url: str
    folder: Path
    key: keys.SigningKey
    database: str = ""

    @property
    def data(self) -> Path:
        return self.folder / "registry"

    @property
    def config(self) -> Path:
        return self.folder / "registry.toml"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data / 'registry.db'}"


@dataclass(frozen=True, slots=True)
class Running:
    """One registry: `data` is its folder, `key` signs for the publisher it trusts.

    `ready_s` is how long it took from the start of its process until it said that it is ready.
    """

    url: str
    data: Path
    process: subprocess.Popen[bytes]
    key: keys.SigningKey
    ready_s: float

    @property
    def token(self) -> str:
        """The admin's token, as the first start minted it."""
        return self.token_file.read_text().strip()

    @property
    def token_file(self) -> Path:
        return self.data / "admin.token"

    @property
    def trust_file(self) -> Path:
        return self.data / "trust.json"

    @property
    def headers(self) -> dict[str, str]:
        """Who calls: the admin."""
        return {"Authorization": f"Bearer {self.token}"}

    def blob(self, digest: str) -> Path:
        """Where the blob store keeps `digest`."""
        name = digest.removeprefix("sha256:")
        return self.data / "blobs" / "sha256" / name[:2] / name

    def client(self) -> Client:
        """The command line's own client, with the admin's token."""
        return Client(self.url, self.token)


@contextmanager
def running(folder: Path, *, also_on: Sequence[str] = ()) -> Iterator[Running]:
    """A new registry that answers; `also_on` are addresses beside loopback, for containers."""
    with started(installed(folder, also_on=also_on)) as registry:
        yield registry


def installed(folder: Path, *, also_on: Sequence[str] = (), database: str = "") -> Installation:
    """Everything that a first start needs, in `folder`."""
    port = addresses.free_port("0.0.0.0")  # noqa: S104  free on all addresses
    key = keys.generate_signing_key()
    made = Installation(f"http://127.0.0.1:{port}", folder, key, database)
    made.data.mkdir(mode=0o700)
    listed = {"publishers": [{"name": PUBLISHER, "publicKey": key.public_pem}]}
    (made.data / "publishers.json").write_text(json.dumps(listed))
    listen = [f"{address}:{port}" for address in ("127.0.0.1", *also_on)]
    lines = ["[registry]", 'data = "registry"', f"listen = {json.dumps(listen)}"]
    lines += [f"database = {json.dumps(database)}"] if database else []
    made.config.write_text("\n".join(lines) + "\n")
    return made


@contextmanager
def started(installation: Installation) -> Iterator[Running]:
    """Its server, until the end; it may be started again."""
    command = [processes.PLIMSOLL, "serve", "--config", str(installation.config)]
    with processes.running(command, log=installation.folder / "registry.log") as process:
        took = processes.await_true(
            lambda: wire.answers(installation.url, "/readyz"),
            "the registry answering",
            timeout=_STARTING_S,
            process=process,
        )
        yield Running(installation.url, installation.data, process, installation.key, took)
