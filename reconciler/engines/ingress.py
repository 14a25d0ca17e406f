"""Where the ingress of one host sends whom, and what every driver of a proxy promises. Pure.

A driver is a module: it writes a `Routing` as the proxy's own configuration and reads it back.
The document is the only record of where traffic goes: what we read is what the proxy reads, so
the two cannot disagree.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from reconciler.core.observed import Route, Share

INSTANCE_HEADER = "plimsoll-instance"
DEPLOYMENT_HEADER = "plimsoll-deployment"
SHARE_HEADER = "plimsoll-share"
SECRET_HEADER = "plimsoll-preview"  # noqa: S105  the name of a header
MODEL_HEADER = "plimsoll-model"
PING_PATH = "/ping"


@dataclass(frozen=True, slots=True)
class Routing:
    """`secret` opens the preview entrypoint; `routes` are by model, in order of its name."""

    secret: str
    routes: tuple[Route, ...] = ()

    def of(self, model: str) -> Route | None:
        return next((route for route in self.routes if route.model == model), None)

    def with_route(self, route: Route) -> "Routing":
        routes = (*self.without(route.model).routes, route)
        return replace(self, routes=tuple(sorted(routes, key=lambda r: r.model)))

    def without(self, model: str) -> "Routing":
        return replace(self, routes=tuple(r for r in self.routes if r.model != model))

    def uses(self, instance: str) -> bool:
        """Whether anybody's requests, or copies of them, go to `instance`."""
        return any(instance in ends(route) for route in self.routes)


class Driver(Protocol):
    """One kind of proxy, in a container whose routes lie in a volume of its own.

    It listens on 8080 for clients, on 8081 for previews, and on 8500 for gRPC where the host has
    a door for that. Answers carry what `answers_for` looks for, in the headers named above.
    """

    FILE: str
    """The name of the document in that volume."""

    SIGNAL: str
    """Sent to the container once the document has changed; empty where the proxy watches it."""

    METRICS: tuple[str, ...]
    """Further arguments of the proxy that shall answer Prometheus, on 8082."""

    def command(self, file: str, *, grpc: bool) -> list[str]:
        """The arguments of the proxy, which finds its document at the path `file`."""

    def render(
        self, routing: Routing, upstreams: Mapping[str, str], grpc: Mapping[str, str] | None = None
    ) -> bytes:
        """The document for `routing`; `upstreams` gives the URL of every instance there is,
        `grpc` the one for gRPC, on hosts that have a door for that.

        Clients see routed models only. Each instance can also be reached through the preview
        entrypoint by whoever knows the secret. A route may outlive its instances.
        """

    def parse(self, document: bytes) -> Routing | None:
        """What `render` was given; None when this is not a document of ours."""

    def obstacles(self, share: Share) -> list[str]:
        """What of `share` this proxy cannot do, in words."""


def ends(route: Route) -> tuple[str, ...]:
    """The instances that a route leads to."""
    return (route.instance,) if route.share is None else (route.instance, route.share.instance)


def mark(route: Route) -> str:
    """By which answers tell one share of a model's traffic from every other."""
    said = json.dumps(dataclasses.asdict(route), sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def signature(route: Route) -> dict[str, str]:
    """The headers of all answers that clients get by `route`, from the ingress itself.

    Who of two has answered one request the ingress cannot say; versions say it themselves.
    """
    if route.share is None:
        return {INSTANCE_HEADER: route.instance, DEPLOYMENT_HEADER: route.deployment}
    return {DEPLOYMENT_HEADER: route.deployment, SHARE_HEADER: mark(route)}


def answers_for(route: Route | None, headers: Mapping[str, str]) -> bool:
    """Whether an answer with these headers came by `route`, or by none of ours without one."""
    if route is not None and route.share is not None:
        return headers.get(SHARE_HEADER) == mark(route)
    wanted = None if route is None else route.instance
    return SHARE_HEADER not in headers and headers.get(INSTANCE_HEADER) == wanted


def headers(routing: Routing, instance: str) -> dict[str, str]:
    """What to send to the preview entrypoint so that `instance` answers."""
    return {SECRET_HEADER: routing.secret, INSTANCE_HEADER: instance}
