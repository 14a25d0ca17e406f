"""Three Docker Engines across a network, each behind mutual TLS, with both images on them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import wishes
from tests.engines import docker_hosts

PORT = 8501
# The one without TensorFlow; to Git it is the image that the policies allow.
_RUNTIME_IMAGE = "plimsoll-runtime-edge:dev"
_NAMES = ("edge-1", "edge-2", "edge-3")
_HANDS = 2


@dataclass(frozen=True, slots=True)
class Fleet:
    """`address` is ours on that network; the hosts' credentials lie below `credentials`."""

    hosts: dict[str, docker_hosts.Host]
    address: str
    credentials: Path

    def files(self, registry_port: str) -> dict[str, bytes]:
        """A `Host` for each, which finds the registry at our address."""
        return {
            f"models.d/hosts/{name}.yaml": f"""\
apiVersion: plimsoll.dev/v1
kind: Host
metadata: {{name: {name}}}
spec:
  engine: {{address: "tcp://{host.address}:2376"}}
  ingress: {{port: {PORT}}}
  registry: "http://{self.address}:{registry_port}"
""".encode()
            for name, host in self.hosts.items()
        }


@contextmanager
def three(folder: Path) -> Iterator[Fleet]:
    """Switched on, until the end."""
    lan = docker_hosts.Lan(folder / "lan")
    try:
        lan.up()
        hosts = {name: lan.add_bare_host() for name in _NAMES}
        with ThreadPoolExecutor(_HANDS) as hands:
            list(hands.map(_equip, hosts.values()))
        credentials = folder / "credentials"
        credentials.mkdir()
        for name in hosts:
            (credentials / name).symlink_to(lan.credentials)
        yield Fleet(hosts, f"{lan.net}.1", credentials)
    finally:
        lan.down()


def _equip(host: docker_hosts.Host) -> None:
    host.start_docker()
    for image in (_RUNTIME_IMAGE, wishes.INGRESS_IMAGE):
        host.load(image)
    host.docker(f"tag {_RUNTIME_IMAGE} {wishes.RUNTIME_IMAGE}")
