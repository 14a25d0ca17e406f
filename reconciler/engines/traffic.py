"""The ingress container of one host: there when needed, told where to send, asked if it does.

Its volume outlives it, so a removed or renewed ingress comes back with its routes.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping

import docker
import docker.errors

from reconciler.core.observed import Route
from reconciler.engines import archives, commands, ingress, limits, listing, wire
from reconciler.engines.ingress import Driver
from reconciler.engines.protocol import Endpoint
from reconciler.engines.transport import Connection
from registry import errors

_HEARD_S = 3.0


class Traffic:
    """`reach` is the host name under which this machine finds the published ports."""

    def __init__(
        self,
        spec: commands.IngressSpec,
        *,
        driver: Driver,
        connection: Connection,
        reach: str,
        timeout: float,
    ) -> None:
        self._spec = spec
        self._driver = driver
        self._file = f"{commands.ROUTES_FOLDER}/{driver.FILE}"
        command = driver.command(self._file, grpc=bool(spec.grpc_port))
        self._body = commands.ingress_container(spec, command)
        self._connection = connection
        self._timeout = timeout
        self._read = "", b""  # the routes as read last, and their stamp then
        self._taken_up = b""
        self.front_url = f"http://{reach}:{spec.port}"
        self.preview_url = f"http://{reach}:{spec.preview_port}"

    def is_ready(self, entry: listing.Entry) -> bool:
        """Whether this container, of the engine's list, is the ingress we want, and runs."""
        is_whole = listing.is_running(entry) and not listing.drift(entry)
        return is_whole and self._is_current(entry)

    def read(self) -> ingress.Routing | None:
        """What the ingress was last told; None when there is no ingress or no routing of ours."""
        with self._connection.speaking(f"read the routes of {self._spec.host}") as api:
            try:
                return self._driver.parse(self._document(api))
            except docker.errors.NotFound:
                return None

    def ensure(self) -> ingress.Routing:
        """Create, renew or start the ingress where it needs that, and wait until it answers."""
        with self._connection.speaking(f"start the ingress of {self._spec.host}") as api:
            filters = {"label": [*commands.owned_by(self._spec.host), _KIND]}
            known = api.containers(all=True, filters=filters)
            for other in [entry for entry in known if not self._is_current(entry)]:
                api.remove_container(other["Id"], force=True)
                known.remove(other)
            if known:
                self._mend(api, known[0])
            if not known:
                self._connection.create(api, self._body, name=self._spec.name)
            told = self.read()
            routing = told or ingress.Routing(secrets.token_hex(16))
            if not known or not listing.is_running(known[0]):
                # One that runs keeps what it serves by until it is told the whole.
                if told is None:
                    self._put(self._rendered(routing, {}))
                api.start(self._spec.name)
                self._await_ping(routing)
            return routing

    def tell(self, routing: ingress.Routing, upstreams: Mapping[str, str]) -> None:
        """Hand the ingress its routes, unless it has them; it takes them up a moment later."""
        wanted = self._rendered(routing, upstreams)
        if not self._has(wanted):
            self._put(wanted)

    def is_told(self, routing: ingress.Routing, upstreams: Mapping[str, str]) -> bool:
        """Whether the ingress has exactly this on file, and nothing by another hand."""
        return self._has(self._rendered(routing, upstreams))

    def is_taken_up(self, routing: ingress.Routing) -> bool:
        """Whether clients get what was read last, `routing`: a proxy that has to be signalled was
        not, where whoever wrote it died in between, or lost the engine. Asked until it is so."""
        document = self._read[1]
        if self._driver.SIGNAL and document != self._taken_up:
            fronts = ((f"{self.front_url}/v1/models/{one.model}", one) for one in routing.routes)
            if not all(_is_front(url, route) for url, route in fronts):
                return False
            self._taken_up = document
        return True

    def _has(self, wanted: bytes) -> bool:
        with self._connection.speaking(f"read the routes of {self._spec.host}") as api:
            try:
                return self._document(api) == wanted
            except docker.errors.NotFound:
                return False

    def _rendered(self, routing: ingress.Routing, upstreams: Mapping[str, str]) -> bytes:
        if not self._spec.grpc_port:
            return self._driver.render(routing, upstreams)
        grpc = {name: commands.grpc_upstream(url) for name, url in upstreams.items()}
        return self._driver.render(routing, upstreams, grpc)

    def check(self, route: Route) -> None:
        """Raises `EngineRefused` for a share that this ingress cannot give."""
        found = self._driver.obstacles(route.share) if route.share else []
        if found:
            raise errors.EngineRefused(
                f"the ingress of {self._spec.host} cannot divide the traffic of {route.model} so: "
                f"{'; '.join(found)}",
                fix="choose another strategy, or a host whose ingress can",
            )

    def await_front(self, model: str, route: Route | None) -> None:
        """Return once clients of `model` get `route`'s answers, or none of ours without one."""
        url = f"{self.front_url}/v1/models/{model}"
        who = " and ".join(ingress.ends(route)) if route else "nobody"
        self._await(lambda: _is_front(url, route), f"{model} to {who}")

    def await_preview(self, endpoint: Endpoint) -> None:
        """Return once the preview entrypoint knows the instance, whether that answers or not."""
        wanted = endpoint.headers[ingress.INSTANCE_HEADER]
        url = f"{endpoint.url}/livez"
        self._await(lambda: _answering(url, endpoint.headers) == wanted, f"previews to {wanted}")

    def _await_ping(self, routing: ingress.Routing) -> None:
        url, headers = self.preview_url + ingress.PING_PATH, ingress.headers(routing, "")
        self._await(lambda: _status(url, headers) == 200, "its first request")

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self._timeout
        while not wire.until(is_so, timeout=min(_HEARD_S, self._timeout)):
            if time.monotonic() < deadline:
                # A proxy that was still about to start has not heard its first signal.
                with self._connection.speaking(f"signal the ingress of {self._spec.host}") as api:
                    self._signal(api)
                continue
            raise errors.EngineRefused(
                f"the ingress of {self._spec.host} did not send {what} in {self._timeout:g} s",
                fix=f"see `docker logs {self._spec.name}`, and that {self.front_url} and "
                f"{self.preview_url} can be reached from the reconciler",
            )

    def _is_current(self, entry: listing.Entry) -> bool:
        wanted: str = self._body["Labels"][f"{commands.LABEL}.spec"]
        return listing.label(entry, "spec") == wanted and listing.name(entry) == self._spec.name

    def _mend(self, api: docker.APIClient, entry: listing.Entry) -> None:
        """Undo what somebody did to the container while it ran."""
        if entry["State"] == "paused":
            api.unpause(entry["Id"])
        elif listing.drift(entry):
            api.connect_container_to_network(entry["Id"], commands.NETWORK)
        limits.mend(self._connection, api, entry)

    def _document(self, api: docker.APIClient) -> bytes:
        """The routes as they stand: read again only where their stamp has changed."""
        stamp = self._connection.stamp(api, self._spec.name, self._file)
        known, document = self._read
        if stamp != known:
            chunks, _ = api.get_archive(self._spec.name, self._file)
            document = archives.first_file(chunks)
            self._read = stamp, document
        return document

    def _put(self, document: bytes) -> None:
        packed = archives.pack_swapped(self._driver.FILE, document)
        with self._connection.speaking(f"write the routes of {self._spec.host}") as api:
            api.put_archive(self._spec.name, commands.ROUTES_FOLDER, packed)
            self._signal(api)

    def _signal(self, api: docker.APIClient) -> None:
        """One that does not run reads the document when it starts."""
        if self._driver.SIGNAL:
            with contextlib.suppress(docker.errors.APIError):
                api.kill(self._spec.name, self._driver.SIGNAL)


_KIND = f"{commands.LABEL}.kind=ingress"


def _answering(url: str, headers: Mapping[str, str]) -> str | None:
    """The instance that the ingress names in its answer; "" when nothing answers at all."""
    try:
        return wire.ask(url, headers=headers).headers.get(ingress.INSTANCE_HEADER)
    except errors.EngineUnreachable:
        return ""


def _is_front(url: str, route: Route | None) -> bool:
    try:
        return ingress.answers_for(route, wire.ask(url).headers)
    except errors.EngineUnreachable:
        return False


def _status(url: str, headers: Mapping[str, str]) -> int:
    try:
        return wire.ask(url, headers=headers).status
    except errors.EngineUnreachable:
        return 0
