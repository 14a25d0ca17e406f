"""Containers that stand in for runtimes where only their number matters.

They carry every label, name and network alias of the instance that they stand for, run under
the same limits, answer their health check, and serve nothing. A hundred real runtimes would
take the memory of a hundred models.
"""

import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import docker
import docker.errors

from bench import hosts, processes, wishes
from reconciler.core.observed import InstanceSpec, Route
from reconciler.engines import commands, traefik, traffic, transport

_HANDS = 4
_SECOND = 1_000_000_000
_HEALTHY_S = 180.0
_ROUTING_S = 30.0
_PROGRAM = f"""\
import socket
listener = socket.create_server(("", {commands.RUNTIME_PORT}))
while True:
    link = listener.accept()[0]
    link.recv(65536)
    link.sendall(b"HTTP/1.0 204 No Content\\r\\n\\r\\n")
    link.close()
"""


def start(host: hosts.Host, specs: Sequence[InstanceSpec]) -> None:
    """One for each of `specs`; returns once the engine calls all of them healthy."""
    api = host.api
    if not api.networks(names=[f"^{commands.NETWORK}$"]):
        with contextlib.suppress(docker.errors.APIError):  # somebody else was first
            api.create_network(commands.NETWORK, driver="bridge", check_duplicate=True)

    def run(spec: InstanceSpec) -> None:
        api.create_container_from_config(_body(spec), spec.name)  # type: ignore[no-untyped-call]
        api.start(spec.name)

    with ThreadPoolExecutor(_HANDS) as hands:
        list(hands.map(run, specs))
    processes.await_true(
        lambda: _healthy(host) == len(specs),
        f"{len(specs)} containers healthy",
        timeout=_HEALTHY_S,
        every=1.0,
    )


def route(host: hosts.Host, specs: Sequence[InstanceSpec]) -> None:
    """Bring up the host's ingress and send it all routes at once: one by one, each write has
    the ingress read all of them again."""
    connection = transport.Connection(
        f"unix://{hosts.SOCKET}", credentials=None, timeout=_ROUTING_S
    )
    front = traffic.Traffic(
        commands.IngressSpec(host=host.name, image=wishes.INGRESS_IMAGE, port=host.port),
        driver=traefik,
        connection=connection,
        reach="127.0.0.1",
        timeout=_ROUTING_S,
    )
    with contextlib.closing(connection):
        routing = front.ensure()
        routes = [Route(spec.model, spec.deployment, spec.name) for spec in specs]
        for one in routes:
            routing = routing.with_route(one)
        front.tell(routing, {spec.name: commands.upstream(spec.spec_hash) for spec in specs})
        for one in routes:
            front.await_front(one.model, one)


def _body(spec: InstanceSpec) -> commands.Body:
    body = commands.runtime_container(spec, start_interval=False)
    # Seldom: how often Docker looks is no part of what is measured.
    health = {"Test": ["CMD", "/usr/local/bin/python3", "-I", "-S", "-c", ""]}
    interval = {"Interval": 30 * _SECOND, "Timeout": 20 * _SECOND}
    return body | {
        "Entrypoint": ["python3", "-I", "-S", "-c", _PROGRAM],
        "Cmd": [],
        "Healthcheck": health | interval,
    }


def _healthy(host: hosts.Host) -> int:
    filters = {"label": commands.owned_by(host.name), "health": "healthy"}
    return len(host.api.containers(filters=filters))
