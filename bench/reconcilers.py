"""A reconciler in a process of its own, told of pushes by a signed webhook as a forge would."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import addresses, processes, registries
from bench.origin import Origin
from reconciler import webhook

_BODY = b'{"ref": "refs/heads/main"}'
_STARTING_S = 60.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What is there before the first start, and stays over a restart."""

    config: Path
    state: Path
    log: Path
    port: int
    secret: bytes


@dataclass(frozen=True, slots=True)
class Running:
    """`url` is where its webhook listens."""

    url: str
    secret: bytes
    process: subprocess.Popen[bytes]

    def ring(self) -> None:
        """Say that something was pushed."""
        signature = webhook.sign(_BODY, self.secret)
        headers = {"X-Hub-Signature-256": signature}
        httpx2.post(
            f"{self.url}/webhook", content=_BODY, headers=headers, trust_env=False
        ).raise_for_status()


@contextmanager
def running(registry: registries.Running, origin: Origin, folder: Path) -> Iterator[Running]:
    """A reconciler that polls so rarely that only the webhook can have woken it."""
    with started(prepared(registry, origin, folder)) as reconciler:
        yield reconciler


def prepared(registry: registries.Running, origin: Origin, folder: Path, more: str = "") -> Setup:
    """Configured with `more`, and not started yet."""
    port = addresses.free_port()
    secret = secrets.token_hex(16)
    (folder / "webhook.secret").write_text(secret)
    config = configured(
        registry,
        origin,
        folder,
        f'listen = "127.0.0.1:{port}"\nwebhook_secret_file = "webhook.secret"\n{more}',
    )
    return Setup(config, folder / "state", folder / "reconciler.log", port, secret.encode())


@contextmanager
def started(setup: Setup) -> Iterator[Running]:
    """Until the end, or until somebody kills its process."""
    command = [processes.PLIMSOLL, "reconcile", "--config", str(setup.config)]
    with processes.running(command, log=setup.log) as process:
        processes.await_true(
            lambda: addresses.listens(setup.port),
            "the webhook",
            timeout=_STARTING_S,
            process=process,
        )
        yield Running(f"http://127.0.0.1:{setup.port}", setup.secret, process)


def configured(registry: registries.Running, origin: Origin, folder: Path, more: str = "") -> Path:
    """The configuration file of a reconciler whose state is kept below `folder`."""
    token = folder / "reconciler.token"
    token.write_text(registry.client().create_token("reconciler", "bench"))
    port = registry.url.rpartition(":")[2]
    config = folder / "reconciler.toml"
    config.write_text(
        f"""\
[reconciler]
repository = "{origin.url}"
poll_seconds = 3600
registry = "{registry.url}"
host_registry = "http://host.docker.internal:{port}"
token_file = "reconciler.token"
trust_file = "{registry.trust_file}"
state = "state"
{more}"""
    )
    return config
