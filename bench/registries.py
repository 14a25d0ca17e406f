"""A registry in a process of its own, started as users start it, with one publisher it trusts."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import addresses, processes
from registry.cli.client import Client
from registry.trust import keys

PUBLISHER = "bench"
_STARTING_S = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """One registry: `data` is its folder, `key` signs for the publisher it trusts."""

    url: str
    data: Path
    process: subprocess.Popen[bytes]
    key: keys.SigningKey

    @property
    def token(self) -> str:
        """The admin's token, as the first start minted it."""
        return (self.data / "admin.token").read_text().strip()

    @property
    def token_file(self) -> Path:
        return self.data / "admin.token"

    @property
    def trust_file(self) -> Path:
        return self.data / "trust.json"

    def blob(self, digest: str) -> Path:
        """Where the blob store keeps `digest`."""
        name = digest.removeprefix("sha256:")
        return self.data / "blobs" / "sha256" / name[:2] / name

    def client(self) -> Client:
        """The command line's own client, with the admin's token."""
        return Client(self.url, self.token)


@contextmanager
def running(folder: Path, *, also_on: Sequence[str] = ()) -> Iterator[Running]:
    """A registry that answers; `also_on` are addresses beside loopback, for containers."""
    data = folder / "registry"
    data.mkdir(mode=0o700)
    key = keys.generate_signing_key()
    listed = {"publishers": [{"name": PUBLISHER, "publicKey": key.public_pem}]}
    (data / "publishers.json").write_text(json.dumps(listed))
    port = addresses.free_port("0.0.0.0")  # noqa: S104  free on all addresses
    listen = [f"{address}:{port}" for address in ("127.0.0.1", *also_on)]
    config = folder / "registry.toml"
    config.write_text(f'[registry]\ndata = "registry"\nlisten = {json.dumps(listen)}\n')
    url = f"http://127.0.0.1:{port}"
    command = [processes.PLIMSOLL, "serve", "--config", str(config)]
    with processes.running(command, log=folder / "registry.log") as process:
        processes.await_true(
            lambda: _answers(url), "the registry answering", timeout=_STARTING_S, process=process
        )
        yield Running(url, data, process, key)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", trust_env=False).is_success
    except httpx2.TransportError:
        return False
