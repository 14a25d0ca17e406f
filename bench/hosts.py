"""A host of the bench's own on this machine's Docker Engine, and its removal afterwards."""

import contextlib
import ipaddress
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors

from bench import addresses
from reconciler.engines import commands
from registry import errors

SOCKET = Path("/var/run/docker.sock")
_VERSION = "1.41"
_HANDS = 4


@dataclass(frozen=True, slots=True)
class Host:
    """`name` is on every container it owns; `port` is its front door."""

    name: str
    port: int
    api: docker.APIClient

    def containers(self) -> list[str]:
        """Ids of all that carries this host's label."""
        listed = self.api.containers(all=True, filters={"label": commands.owned_by(self.name)})
        return [str(entry["Id"]) for entry in listed]


@contextmanager
def borrowed() -> Iterator[Host]:
    """A host with a new name; whatever came to be on it is gone afterwards."""
    api = docker.APIClient(base_url=f"unix://{SOCKET}", version=_VERSION, timeout=60)
    api.trust_env = False
    with contextlib.closing(api):
        _require_answer(api)
        had_network = bool(api.networks(names=[f"^{commands.NETWORK}$"]))
        host = Host(f"bench-{secrets.token_hex(4)}", _port_pair(), api)
        try:
            yield host
        finally:
            with _uninterrupted():
                _clear(host, network=not had_network)


def gateway(api: docker.APIClient) -> str:
    """The address under which containers find this machine as host.docker.internal."""
    network = api.inspect_network("bridge")
    config = network["IPAM"]["Config"][0]
    # An engine that chose the address by itself does not always say so: it takes the first.
    return str(config.get("Gateway") or ipaddress.ip_network(config["Subnet"])[1])


def _require_answer(api: docker.APIClient) -> None:
    try:
        api.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise errors.EngineUnreachable(
            f"no Docker Engine at {SOCKET}: {error}", fix="run deploy/engine.sh"
        ) from error


def _port_pair() -> int:
    """A free port for the front whose preview port is free as well."""
    while True:
        port = addresses.free_port("0.0.0.0")  # noqa: S104  where the front listens
        preview = port + commands.PREVIEW_OFFSET
        if preview < 65536 and not addresses.listens(preview):
            return port


def _clear(host: Host, *, network: bool) -> None:
    def remove(container: str) -> None:
        with contextlib.suppress(docker.errors.NotFound):
            host.api.remove_container(container, v=True, force=True)

    with ThreadPoolExecutor(_HANDS) as hands:
        list(hands.map(remove, host.containers()))
    for volume in (commands.cache_volume(host.name), f"plimsoll-ingress-{host.name}"):
        with contextlib.suppress(docker.errors.NotFound):
            host.api.remove_volume(volume, force=True)
    if network:
        # Others may have come to use it meanwhile: then it stays, and the engine says so.
        with contextlib.suppress(docker.errors.APIError):
            host.api.remove_network(commands.NETWORK)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not leave half of it behind."""
    previous = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), previous, strict=True):
            signal.signal(number, handler)
