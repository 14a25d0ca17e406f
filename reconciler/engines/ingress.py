"""The routes of one host as Traefik's dynamic configuration, and back again. Pure.

The document is the only record of where traffic goes: what we read back is what Traefik
reads, so the two cannot disagree. JSON is written, since every JSON document is YAML.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.observed import Route

INSTANCE_HEADER = "plimsoll-instance"
DEPLOYMENT_HEADER = "plimsoll-deployment"
SECRET_HEADER = "plimsoll-preview"  # noqa: S105  the name of a header
PING_PATH = "/ping"
_ROUTE, _CANDIDATE, _GRPC = "route-", "candidate-", "grpc-"
_MISSING_GRPC = "h2c://missing.invalid"
MODEL_HEADER = "plimsoll-model"
_SECRET = re.compile(rf"Header\(`{SECRET_HEADER}`, `([0-9a-f]+)`\)")
# Traefik must let go of an idle connection before the runtime does (120 s), or a request
# sent at that very moment is lost; a POST is not sent twice.
_TRANSPORT = {"forwardingTimeouts": {"dialTimeout": "2s", "idleConnTimeout": "60s"}}

Document = dict[str, Any]


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


def render(
    routing: Routing, upstreams: Mapping[str, str], grpc: Mapping[str, str] | None = None
) -> bytes:
    """The document for `routing`; `upstreams` gives the URL of every instance there is, `grpc`
    the one for gRPC, on hosts that have a door for that.

    Clients see routed models only. Each instance can also be reached through the preview
    entrypoint by whoever knows the secret.
    """
    routers: Document = {
        "ping": {
            "entryPoints": ["preview"],
            "rule": f"{_knows(routing.secret)} && Path(`{PING_PATH}`)",
            "service": "ping@internal",
            "priority": 100_000,
        }
    }
    middlewares: Document = {
        "retry": {"retry": {"attempts": 3, "initialInterval": "50ms"}},
        "hide": {"headers": {"customRequestHeaders": {SECRET_HEADER: ""}}},
    }
    for instance in sorted(upstreams):
        routers[_CANDIDATE + instance] = _candidate(instance, routing.secret)
        middlewares[_CANDIDATE + instance] = _answers({INSTANCE_HEADER: instance})
    for route in routing.routes:
        routers[_ROUTE + route.model] = _front(route)
        names = {INSTANCE_HEADER: route.instance, DEPLOYMENT_HEADER: route.deployment}
        middlewares[_ROUTE + route.model] = _answers(names)
    if grpc is not None:
        routers |= _grpc_routers(routing)
    services = _services(routing, upstreams, grpc)
    http: Document = {
        "routers": routers,
        "middlewares": middlewares,
        "services": services,
        "serversTransports": {"runtime": _TRANSPORT},
    }
    if not services:
        del http["services"]  # Traefik refuses an empty element
    return json.dumps({"http": http}, indent=1).encode()


def _services(
    routing: Routing, upstreams: Mapping[str, str], grpc: Mapping[str, str] | None
) -> Document:
    """A route may outlive its instance (somebody removed the container): it answers 502 until the
    reconciler has routed the model to another."""
    missing = {route.instance: "http://missing.invalid" for route in routing.routes}
    found = {name: _service(url) for name, url in sorted((missing | dict(upstreams)).items())}
    if grpc is None:
        return found
    return found | {_GRPC + route.instance: _service(grpc.get(route.instance, _MISSING_GRPC))
                    for route in routing.routes}  # fmt: skip


def parse(document: bytes) -> Routing | None:
    """What `render` was given; None when this is not a document of ours."""
    try:
        http = json.loads(document)["http"]
        secret = _SECRET.search(http["routers"]["ping"]["rule"])
        routes = [
            _route(name.removeprefix(_ROUTE), middleware["headers"]["customResponseHeaders"])
            for name, middleware in http["middlewares"].items()
            if name.startswith(_ROUTE)
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Routing(secret[1], tuple(routes)) if secret else None


def headers(routing: Routing, instance: str) -> dict[str, str]:
    """What to send to the preview entrypoint so that `instance` answers."""
    return {SECRET_HEADER: routing.secret, INSTANCE_HEADER: instance}


def _route(model: str, names: Mapping[str, str]) -> Route:
    deployment, instance = names[DEPLOYMENT_HEADER], names[INSTANCE_HEADER]
    return Route(model=model, deployment=deployment, instance=instance)


def _front(route: Route) -> Document:
    """The model's exact name, followed by nothing, a `/` or a `:`."""
    return {
        "entryPoints": ["front"],
        "rule": f"PathRegexp(`^/v[12]/models/{re.escape(route.model)}([/:].*)?$`)",
        "middlewares": ["retry", _ROUTE + route.model],
        "service": route.instance,
    }


def _grpc_routers(routing: Routing) -> Document:
    """gRPC has a model's name inside the message, where no proxy reads: a call says it in its
    metadata, or in the first label of the name that it connects to. Where there is one model
    every call is for that."""
    found: Document = {}
    for route in routing.routes:
        model = route.model
        found[_GRPC + model] = _grpc_router(
            route,
            f"Header(`{MODEL_HEADER}`, `{model}`) || HostRegexp(`(?i)^{re.escape(model)}\\.`)",
        )
    if len(routing.routes) == 1:
        found[_GRPC] = _grpc_router(routing.routes[0], "PathPrefix(`/`)") | {"priority": 1}
    return found


def _grpc_router(route: Route, rule: str) -> Document:
    return {
        "entryPoints": ["grpc"],
        "rule": rule,
        "middlewares": [_ROUTE + route.model],
        "service": _GRPC + route.instance,
    }


def _candidate(instance: str, secret: str) -> Document:
    return {
        "entryPoints": ["preview"],
        "rule": f"{_knows(secret)} && Header(`{INSTANCE_HEADER}`, `{instance}`)",
        "middlewares": ["hide", _CANDIDATE + instance],
        "service": instance,
    }


def _knows(secret: str) -> str:
    return f"Header(`{SECRET_HEADER}`, `{secret}`)"


def _answers(names: Mapping[str, str]) -> Document:
    return {"headers": {"customResponseHeaders": dict(names)}}


def _service(url: str) -> Document:
    return {"loadBalancer": {"serversTransport": "runtime", "servers": [{"url": url}]}}
