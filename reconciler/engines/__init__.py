"""One file per kind of engine that a host may run; `connect` picks it by the address."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.engines.ingress import Driver
from reconciler.engines.protocol import Engine
from registry import errors


@dataclass(frozen=True, slots=True)
class Front:
    """How a host meets its clients, and us.

    `reach` is the name under which the reconciler finds the host's published ports; empty
    means: as the engine's address says. The preview port is `port` + 1000; gRPC has
    `grpc_port`, where that is not 0, and Prometheus `metrics_port`. `driver` is the proxy that
    `image` holds.
    """

    port: int
    metrics_port: int = 0
    image: str = "plimsoll-ingress:dev"
    bind: str = "0.0.0.0"  # noqa: S104  clients come from other machines
    preview_bind: str = ""
    reach: str = ""
    grpc_port: int = 0
    driver: str = "traefik"


def connect(  # noqa: PLR0913  what a Host says of itself
    *,
    host: str,
    address: str,
    front: Front,
    state: Path,
    credentials: Path | None = None,
    timeout: float = 10.0,
    mode: str = "",
) -> Engine:
    """The engine of `host`; nothing is sent before its first call.

    `address` is unix://, tcp:// (with `credentials`: ca.pem, cert.pem, key.pem), ssh:// (with
    `credentials`: key, known_hosts; else the user's own) or process://, whose path is
    its folder (else one below `state`, by the host's name). With the mode `swarm` the address
    is that of a manager of a Docker Swarm.

    Raises `errors.InvalidConfig` for any other address.
    """
    match urlsplit(address).scheme:
        case "unix" | "tcp" | "ssh" if mode == "swarm":
            return _swarm(host, address, front=front, credentials=credentials, timeout=timeout)
        case "unix" | "tcp" | "ssh":
            return _docker(host, address, front=front, credentials=credentials, timeout=timeout)
        case "process":
            from reconciler.engines.process import ProcessEngine  # noqa: PLC0415

            folder = Path(urlsplit(address).path or state / host)
            return ProcessEngine(
                host, state=folder, port=front.port, timeout=timeout, bind=front.bind
            )
        case scheme:
            raise errors.InvalidConfig(
                f"host {host}: engine address {address!r} begins with {scheme or 'nothing'!r}",
                fix="begin it with unix://, tcp://, ssh:// or process://",
            )


def _docker(
    host: str, address: str, *, front: Front, credentials: Path | None, timeout: float
) -> Engine:
    # The SDK is heavy: a fleet of process engines never pays for it.
    from reconciler.engines import (  # noqa: PLC0415
        commands,
        docker,
        haproxy,
        traefik,
        traffic,
        transport,
    )

    remote = _remote(address)
    driver: Driver = haproxy if front.driver == "haproxy" else traefik
    spec = commands.IngressSpec(
        host=host,
        image=front.image,
        port=front.port,
        metrics_port=front.metrics_port,
        arguments=driver.METRICS if front.metrics_port else (),
        bind=front.bind,
        preview_bind=front.preview_bind or ("0.0.0.0" if remote else "127.0.0.1"),  # noqa: S104
        grpc_port=front.grpc_port,
    )
    connection = transport.Connection(address, credentials=credentials, timeout=timeout)
    return docker.DockerEngine(
        host,
        connection=connection,
        traffic=traffic.Traffic(
            spec,
            driver=driver,
            connection=connection,
            reach=front.reach or remote or "127.0.0.1",
            timeout=timeout,
        ),
        ingress_image=front.image,
    )


def _swarm(
    host: str, address: str, *, front: Front, credentials: Path | None, timeout: float
) -> Engine:
    from reconciler.engines import commands, swarm, swarm_traffic, transport  # noqa: PLC0415

    spec = commands.IngressSpec(host=host, image=front.image, port=front.port)
    connection = transport.Connection(address, credentials=credentials, timeout=timeout)
    reach = front.reach or _remote(address) or "127.0.0.1"
    traffic = swarm_traffic.SwarmTraffic(spec, connection=connection, reach=reach, timeout=timeout)
    return swarm.SwarmEngine(host, connection=connection, traffic=traffic)


def _remote(address: str) -> str | None:
    return urlsplit(address).hostname if not address.startswith("unix:") else None
