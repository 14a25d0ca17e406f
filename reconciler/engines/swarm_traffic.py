"""The ingress of a Swarm: Traefik on its nodes, and the one service that hands them their routes.

What is said to be routed is the Swarm config that this service has, so that all nodes, and each
that joins later, get the same. A route is in effect once every node with an ingress says so.
"""

import base64
import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import docker.errors

from reconciler.core.observed import Route
from reconciler.engines import (
    commands,
    ingress,
    swarm_listing,
    swarm_specs,
    tolerating,
    traefik,
    wire,
)
from reconciler.engines.commands import IngressSpec
from reconciler.engines.protocol import Endpoint
from reconciler.engines.transport import Connection
from registry import errors

_Api: TypeAlias = Any  # docker's own types know nothing of its calls for Swarms
_LIMIT = 500_000  # bytes, of a Swarm config
_GOSSIP_S = 10.0
_NOT_FOUND_YET = {502, 503, 504}  # an ingress's own answers, of an instance it does not reach
_NOWHERE = {"", "0.0.0.0", "127.0.0.1"}  # noqa: S104  what a node alone says of itself


class SwarmTraffic:
    """`reach` is where this machine finds the manager's own published ports."""

    def __init__(
        self, spec: IngressSpec, *, connection: Connection, reach: str, timeout: float
    ) -> None:
        self.spec = spec
        self.body = swarm_specs.ingress_service(spec)
        self._connection = connection
        self._reach = reach
        # Each change is a task more to start, and then half a second until it is asked.
        self._patience = 6 * timeout
        self.front_url = f"http://{reach}:{spec.port}"
        self.preview_url = f"http://{reach}:{spec.preview_port}"

    def read(self) -> ingress.Routing | None:
        """What the ingress was last told; None when there is none yet."""
        with self._speaking(f"read the routes of {self.spec.host}") as api:
            found = self._current(api)
        return None if found is None else traefik.parse(found[1])

    def prepare(self) -> None:
        """The networks, created where they are missing."""
        with self._speaking(f"make the networks of {self.spec.host}") as api:
            for name in (swarm_specs.MODELS, swarm_specs.CONTROL):
                if not api.networks(names=[f"^{name}$"]):
                    # Docker lists none, rather than fail, while its manager is slow to answer.
                    with tolerating.conflict():
                        api.create_network(**swarm_specs.network(name))

    def ensure(self) -> None:
        """Traefik, created or brought up to date where it needs that."""
        with self._speaking(f"start the ingress of {self.spec.host}") as api:
            self._converge(api, self.body)

    def tell(
        self, routing: ingress.Routing, upstreams: Mapping[str, str], *, image: str = ""
    ) -> None:
        """Hand the ingress its routes, unless it has them; by `image`, where nothing does yet."""
        wanted = traefik.render(routing, upstreams)
        if len(wanted) > _LIMIT:
            raise errors.EngineRefused(
                f"the routes of {self.spec.host} are {len(wanted)} bytes, and a Swarm takes no "
                f"config above {_LIMIT}",
                fix="serve some of its models as another Host of the same Swarm, on another port",
            )
        with self._speaking(f"write the routes of {self.spec.host}") as api:
            found = self._current(api)
            if found is None or found[1] != wanted:
                self._publish(api, wanted, image=image if found is None else found[0])

    def check(self, route: Route) -> None:
        """Raises `EngineRefused` for a share that this ingress cannot give."""
        found = traefik.obstacles(route.share) if route.share else []
        if found:
            raise errors.EngineRefused(
                f"the ingress of {self.spec.host} cannot divide the traffic of {route.model} so: "
                f"{'; '.join(found)}",
                fix="choose another strategy",
            )

    def await_front(self, model: str, route: Route | None) -> None:
        """Return once each node with an ingress sends `model` where `route` says."""
        who = " and ".join(ingress.ends(route)) if route else "nobody"
        for node in self._nodes():
            url = f"http://{node}:{self.spec.port}/v1/models/{model}"
            self._await(url, {}, functools.partial(ingress.answers_for, route), f"{model} to {who}")

    def await_preview(self, endpoint: Endpoint) -> None:
        """Return once the manager's own node knows the instance, whether that answers or not."""
        wanted = endpoint.headers[ingress.INSTANCE_HEADER]

        def is_it(found: Mapping[str, str]) -> bool:
            return found.get(ingress.INSTANCE_HEADER) == wanted

        self._await(f"{endpoint.url}/livez", endpoint.headers, is_it, f"previews to {wanted}")

    def await_nodes(self, preview: Endpoint) -> None:
        """Wait until each node with an ingress finds the instance; not for long, as one that is
        ill may be the best there is.

        A healthy task is known to its own node first, and to the others by gossip.
        """
        for node in self._nodes():
            url = f"http://{node}:{self.spec.preview_port}/livez"

            def is_found(url: str = url) -> bool:
                try:
                    return wire.ask(url, headers=preview.headers).status not in _NOT_FOUND_YET
                except errors.EngineUnreachable:
                    return True  # previews are asked for on the manager only: others may be closed

            wire.until(is_found, timeout=_GOSSIP_S, every=0.1)

    def _speaking(self, doing: str) -> contextlib.AbstractContextManager[_Api]:
        return self._connection.speaking(doing)

    def _await(
        self,
        url: str,
        headers: Mapping[str, str],
        is_it: Callable[[Mapping[str, str]], bool],
        what: str,
    ) -> None:
        def is_so() -> bool:
            try:
                return is_it(wire.ask(url, headers=headers).headers)
            except errors.EngineUnreachable:
                return False

        if not wire.until(is_so, timeout=self._patience, every=0.1):
            raise errors.EngineRefused(
                f"{url} did not send {what} in {self._patience:g} s",
                fix=f"see `docker service ps {self.spec.name} "
                f"{swarm_specs.routes_name(self.spec)}`, and that the reconciler reaches the port "
                f"on every node that is not labelled plimsoll.ingress=none",
            )

    def _nodes(self) -> Iterator[str]:
        with self._speaking(f"list the nodes of {self.spec.host}") as api:
            nodes = [node for node in api.nodes() if swarm_listing.has_ingress(node)]
        for node in nodes:
            address = str(node["Status"].get("Addr", ""))
            is_own = address in _NOWHERE or len(nodes) == 1
            yield self._reach if is_own else address

    def _current(self, api: _Api) -> tuple[str, bytes] | None:
        """The image of the service that hands out routes, and the routes."""
        name = swarm_specs.routes_name(self.spec)
        for service in api.services(filters={"name": name}):
            if service["Spec"]["Name"] == name:
                container = service["Spec"]["TaskTemplate"]["ContainerSpec"]
                [config] = container["Configs"]
                held = api.inspect_config(config["ConfigID"])["Spec"]["Data"]
                return str(container["Image"]), base64.b64decode(held)
        return None

    def _publish(self, api: _Api, document: bytes, *, image: str) -> None:
        """Another config, the service with it, then no more of the former ones."""
        host = self.spec.host
        labels = swarm_specs.owned(host, "routes")
        name = f"plimsoll-{host[:30]}-{secrets.token_hex(8)}"
        path = f"{commands.ROUTES_FOLDER}/{swarm_specs.ROUTES}"
        file = swarm_specs.File(name, path, document)
        if not image:
            raise errors.EngineRefused(
                f"nothing hands out the routes of {host}", fix="start an instance: it brings that"
            )
        identity = api.create_config(name, document, labels=labels)["ID"]
        self._converge(api, swarm_specs.routes_service(self.spec, image, (identity, file)))
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        for config in api.configs(filters=filters):
            if config["ID"] != identity:
                # A task that still ends holds on to its own; the next change removes it.
                with contextlib.suppress(docker.errors.APIError):
                    api.remove_config(config["ID"])

    def _converge(self, api: _Api, body: dict[str, Any]) -> None:
        """Create the service, or update it where it is not what we want."""
        for service in api.services(filters={"name": body["name"]}):
            if service["Spec"]["Name"] == body["name"]:
                stamp = f"{commands.LABEL}.spec"
                if (service["Spec"].get("Labels") or {}).get(stamp) != body["labels"][stamp]:
                    api.update_service(service["ID"], service["Version"]["Index"], **body)
                return
        api.create_service(**body)
