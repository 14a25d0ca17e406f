"""The routes of one host as Traefik's dynamic configuration, and back again. Pure.

See `ingress.Driver`. JSON is written, since every JSON document is YAML; a file that is called
.json Traefik does not take.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from reconciler.core.observed import Route, Share
from reconciler.engines import traefik_shares
from reconciler.engines.ingress import (
    DEPLOYMENT_HEADER,
    INSTANCE_HEADER,
    MODEL_HEADER,
    PING_PATH,
    SECRET_HEADER,
    Routing,
    ends,
    signature,
)

FILE = "routes.yml"
SIGNAL = ""
METRICS: tuple[str, ...] = (
    "--entrypoints.metrics.address=:8082",
    "--metrics.prometheus=true",
    "--metrics.prometheus.entrypoint=metrics",
    "--metrics.prometheus.buckets=0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10",
)
_ROUTE, _CANDIDATE, _GRPC = "route-", "candidate-", "grpc-"
_MISSING, _MISSING_GRPC = "http://missing.invalid", "h2c://missing.invalid"
_SECRET = re.compile(rf"Header\(`{SECRET_HEADER}`, `([0-9a-f]+)`\)")
# Traefik must let go of an idle connection before the runtime does (120 s), or a request
# sent at that very moment is lost; a POST is not sent twice.
_TRANSPORT = {"forwardingTimeouts": {"dialTimeout": "1s", "idleConnTimeout": "60s"}}
# More than eight seconds: an instance that died is started again by then. 502 is what Traefik
# says for an instance that died over a request; a body is kept for that where it is short.
_PATIENCE = {"attempts": 60, "initialInterval": "100ms", "status": ["502"]}
_MIDDLEWARES: dict[str, dict[str, Any]] = {
    "retry": {"retry": _PATIENCE | {"maxRequestBodyBytes": traefik_shares.QUESTION_BYTES}},
    "again": {"retry": _PATIENCE | traefik_shares.KEPT},
    "once-more": {"retry": traefik_shares.ONCE_MORE},
}

Document = dict[str, Any]


def command(file: str, *, grpc: bool) -> list[str]:
    """Without plugins, dashboard or talk to its makers."""
    found = [
        "--entrypoints.front.address=:8080",
        "--entrypoints.preview.address=:8081",
        f"--providers.file.filename={file}",
        "--providers.providersthrottleduration=100ms",
        "--ping.manualrouting=true",
        "--log.level=ERROR",
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
    ]
    return [*found, "--entrypoints.grpc.address=:8500"] if grpc else found


def render(
    routing: Routing, upstreams: Mapping[str, str], grpc: Mapping[str, str] | None = None
) -> bytes:
    """See `ingress.Driver`."""
    routers: Document = {
        "ping": {
            "entryPoints": ["preview"],
            "rule": f"{_knows(routing.secret)} && Path(`{PING_PATH}`)",
            "service": "ping@internal",
            "priority": 100_000,
        }
    }
    middlewares: Document = {
        **_MIDDLEWARES,
        "hide": {"headers": {"customRequestHeaders": {SECRET_HEADER: ""}}},
    }
    for instance in sorted(upstreams):
        routers[_CANDIDATE + instance] = _candidate(instance, routing.secret)
        middlewares[_CANDIDATE + instance] = _answers({INSTANCE_HEADER: instance})
    for route in routing.routes:
        routers |= _fronts(route)
        middlewares[_ROUTE + route.model] = _answers(signature(route))
    if grpc is not None:
        routers |= _grpc_routers(routing)
    services = _services(routing, upstreams, grpc)
    http: Document = {
        "routers": routers,
        "middlewares": middlewares,
        "services": services,
        "serversTransports": {"runtime": _TRANSPORT, **_transports(routing)},
    }
    if not services:
        del http["services"]  # Traefik refuses an empty element
    return json.dumps({"http": http}, indent=1).encode()


def parse(document: bytes) -> Routing | None:
    """See `ingress.Driver`."""
    try:
        http = json.loads(document)["http"]
        secret = _SECRET.search(http["routers"]["ping"]["rule"])
        routes = [
            _route(name.removeprefix(_ROUTE), middleware["headers"]["customResponseHeaders"], http)
            for name, middleware in http["middlewares"].items()
            if name.startswith(_ROUTE)
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return Routing(secret[1], tuple(routes)) if secret else None


def obstacles(share: Share) -> list[str]:
    """See `ingress.Driver`."""
    return traefik_shares.obstacles(share)


def _services(
    routing: Routing, upstreams: Mapping[str, str], grpc: Mapping[str, str] | None
) -> Document:
    """A route may outlive its instance (somebody removed the container): it answers 502 until the
    reconciler has routed the model to another."""
    missing = {instance: _MISSING for route in routing.routes for instance in ends(route)}
    urls = dict(sorted((missing | dict(upstreams)).items()))
    found: Document = {name: _service(url) for name, url in urls.items()}
    for route in routing.routes:
        if route.share is not None:
            found |= traefik_shares.services(route, route.share, urls[route.share.instance])
    if grpc is None:
        return found
    for route in routing.routes:
        for instance in ends(route):
            found[_GRPC + instance] = _service(grpc.get(instance, _MISSING_GRPC))
        if route.share is not None:
            found |= traefik_shares.grpc_services(route, route.share)
    return found


def _transports(routing: Routing) -> Document:
    copied = any(route.share is not None and route.share.mirror for route in routing.routes)
    return {"copies": traefik_shares.TRANSPORT} if copied else {}


def _route(model: str, names: Mapping[str, str], http: Document) -> Route:
    deployment, instance = names[DEPLOYMENT_HEADER], names.get(INSTANCE_HEADER)
    if instance is not None:
        return Route(model, deployment, instance)
    return Route(model, deployment, *traefik_shares.read(model, http))


def _fronts(route: Route) -> Document:
    front = _front(route)
    if route.share is None:
        name = _ROUTE + route.model
        return {name: front, f"{name}-kept": traefik_shares.kept(front)}
    return traefik_shares.routers(_ROUTE + route.model, front, route, route.share)


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
        rule = f"Header(`{MODEL_HEADER}`, `{model}`) || HostRegexp(`(?i)^{re.escape(model)}\\.`)"
        found |= _grpc_fronts(_GRPC + model, _grpc_router(route, rule), route)
    if len(routing.routes) == 1:
        [route] = routing.routes
        front = _grpc_router(route, "PathPrefix(`/`)") | {"priority": 1}
        found |= _grpc_fronts(_GRPC, front, route)
    return found


def _grpc_fronts(name: str, front: Document, route: Route) -> Document:
    if route.share is None:
        return {name: front}
    return traefik_shares.grpc_routers(name, front, route, route.share)


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
