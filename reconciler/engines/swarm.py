"""Docker Swarm: one service for each instance, on whichever nodes there are.

Swarm itself replaces tasks that end and moves those of nodes that are lost or drained. What it
never does for us is go back: an update that fails stops, and we apply the former spec again.
"""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from secrets import token_hex
from typing import Any, TypeAlias

import docker.errors

from reconciler.core.observed import HostState, InstanceSpec, Route
from reconciler.core.usage import Resources
from reconciler.engines import commands, ingress, swarm_listing, swarm_specs, swarm_updates
from reconciler.engines.protocol import Changes, Endpoint, Launch, Trials
from reconciler.engines.swarm_listing import Service
from reconciler.engines.swarm_traffic import SwarmTraffic
from reconciler.engines.transport import Connection, Listening
from registry import errors

_Api: TypeAlias = Any  # docker's own types know nothing of its calls for Swarms


class SwarmEngine:
    """The part of one Swarm that carries the label of one host, through one of its managers."""

    def __init__(self, host: str, *, connection: Connection, traffic: SwarmTraffic) -> None:
        self._host = host
        self._connection = connection
        self._traffic = traffic
        self._writing = threading.RLock()

    def observe(self) -> HostState:
        with self._speaking("list services") as api:
            services = self._services(api)
            tasks = api.tasks(filters={"service": [one["ID"] for one in services]})
        tasks = tasks if services else []
        runtimes = [one for one in services if swarm_listing.label(one, "kind") == "runtime"]
        routing = self._traffic.read() if services else None
        found = (swarm_listing.instance(one, tasks) for one in runtimes)
        return HostState(
            host=self._host,
            instances=tuple(sorted(found, key=lambda one: one.name)),
            routes=routing.routes if routing else (),
            ingress_ready=routing is not None and self._is_ingress_ready(services, tasks),
        )

    def changes(self) -> Changes:
        filters = {"type": ["service", "node"]}
        return _Changes(self._connection.listen(f"{self._host}: listen", filters))

    def preflight(self, spec: InstanceSpec) -> list[str]:
        with self._speaking("ask what the nodes have") as api:
            nodes, promises = api.nodes(), swarm_listing.promised(api.tasks())
        places = swarm_listing.places(nodes, promises, spec.memory_bytes)
        if places >= spec.replicas:
            return []
        size = spec.memory_bytes >> 20
        wanted = f"{spec.replicas} times {size} MiB of memory wanted"
        return [f"{wanted}, and the nodes of {self._host} have room for {places}"]

    def start(self, spec: InstanceSpec, launch: Launch) -> None:
        """A crash before the service is there leaves secrets that the next start removes."""
        with self._writing:
            self._traffic.prepare()
            with self._speaking(f"start {spec.name}") as api:
                if self._find(api, spec.name) is None:
                    self._sweep(api)
                    files = self._secrets(api, spec, launch)
                    api.create_service(**swarm_specs.runtime_service(spec, files))
            routing = self._traffic.read() or ingress.Routing(token_hex(16))
            self._publish(routing, image=spec.image)
            self._traffic.ensure()
        self._traffic.await_preview(self._endpoint(routing, spec.name))

    def restart(self, instance: str) -> None:
        """Every task anew, one after the other."""
        with self._speaking(f"restart {instance}") as api:
            service = self._known(api, instance)
            task = dict(service["Spec"]["TaskTemplate"])
            task["ForceUpdate"] = int(task.get("ForceUpdate", 0)) + 1
            self._update(api, service, dict(service["Spec"], TaskTemplate=task))

    def renew(self, spec: InstanceSpec, launch: Launch) -> None:
        """Other secrets, task by task; where one fails, the former secrets again."""
        with self._speaking(f"renew {spec.name}") as api:
            service = self._known(api, spec.name)
            files = self._secrets(api, spec, launch)
            if swarm_listing.secrets(service) != set(files):
                self._update(api, service, _with_secrets(service, files))
            known = self._own_secrets(api, spec.name)
            _remove_secrets(api, (one for one in known if one["ID"] not in files))

    def remove(self, instance: str) -> None:
        with self._speaking(f"remove {instance}") as api:
            routing = self._traffic.read()
            if routing and routing.uses(instance):
                raise errors.EngineRefused(
                    f"{instance} still gets traffic", fix="route its model elsewhere first"
                )
            service = self._find(api, instance)
            if service is not None:
                self._await_absence(swarm_listing.label(service, "model"), routing)
                with contextlib.suppress(docker.errors.NotFound):
                    api.remove_service(service["ID"])
            self._sweep(api)
        if service is not None and routing is not None:
            with self._writing:
                self._publish(self._traffic.read() or routing)

    def route(self, route: Route) -> None:
        self._traffic.check(route)
        with self._writing:
            with self._speaking(f"route {route.model}") as api:
                service, *_ = [self._known(api, instance) for instance in ingress.ends(route)]
                image = str(service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])
            known = self._traffic.read() or ingress.Routing(token_hex(16))
            for instance in ingress.ends(route):
                self._traffic.await_nodes(self._endpoint(known, instance))
            self._publish(known.with_route(route), image=image)
            self._traffic.ensure()
            self._traffic.await_front(route.model, route)

    def unroute(self, model: str) -> None:
        with self._writing:
            routing = self._traffic.read()
            if routing is not None and routing.of(model):
                self._publish(routing.without(model))
                self._traffic.await_front(model, None)

    def preview(self, instance: str) -> Endpoint:
        routing = self._traffic.read()
        if routing is None:
            raise errors.EngineRefused(
                f"{self._host} has no ingress", fix="start an instance, which brings it up"
            )
        return self._endpoint(routing, instance)

    def front(self) -> Endpoint:
        return Endpoint(self._traffic.front_url, {})

    def logs(self, instance: str, *, lines: int = 50) -> str:
        with self._speaking(f"read the log of {instance}") as api:
            service = self._known(api, instance)
            found = api.service_logs(
                service["ID"], stdout=True, stderr=True, tail=lines, is_tty=False
            )
            return b"".join(found).decode(errors="replace")

    def memory(self, instance: str) -> int:
        what = f"a Swarm does not say how much memory the tasks of {instance} hold"
        raise errors.EngineRefused(what, fix="test memory on a Docker or process:// host")

    def resources(self) -> Resources:
        with self._speaking("ask what the nodes have") as api:
            return swarm_listing.resources(api.nodes(), self._services(api))

    def trials(self) -> Trials:
        what = f"{self._host} is a Swarm, where no test runs beside a candidate"
        raise errors.EngineRefused(what, fix="test in containers on a Docker host")

    def close(self) -> None:
        self._connection.close()

    def _speaking(self, doing: str) -> contextlib.AbstractContextManager[_Api]:
        return self._connection.speaking(f"{self._host}: {doing}")

    def _services(self, api: _Api) -> list[Service]:
        return list(api.services(filters={"label": commands.owned_by(self._host)}))

    def _find(self, api: _Api, instance: str) -> Service | None:
        known = self._services(api)
        return next((s for s in known if swarm_listing.label(s, "instance") == instance), None)

    def _known(self, api: _Api, instance: str) -> Service:
        found = self._find(api, instance)
        if found is None:
            raise errors.EngineRefused(
                f"{instance} is not on {self._host}", fix="look at the host again"
            )
        return found

    def _publish(self, routing: ingress.Routing, *, image: str = "") -> None:
        """Routes, and a preview for each instance that exists at this moment. `image` hands them
        out, where nothing does so yet."""
        with self._speaking("list services") as api:
            services = self._services(api)
        upstreams = {
            swarm_listing.label(one, "instance"): swarm_specs.upstream(one["Spec"]["Name"])
            for one in services
            if swarm_listing.label(one, "kind") == "runtime"
        }
        self._traffic.tell(routing, upstreams, image=image)

    def _is_ingress_ready(self, services: list[Service], tasks: list[Mapping[str, Any]]) -> bool:
        """Whether it is the one we want, and a task of it runs."""
        stamp = self._traffic.body["labels"][f"{commands.LABEL}.spec"]
        current = {one["ID"] for one in services if swarm_listing.label(one, "spec") == stamp}
        return any(one["ServiceID"] in current and swarm_listing.is_running(one) for one in tasks)

    def _secrets(
        self, api: _Api, spec: InstanceSpec, launch: Launch
    ) -> dict[str, swarm_specs.File]:
        """By their ids; those that are there already are found by their names."""
        labels = self._secret_labels(spec.name)
        known = {one["Spec"]["Name"]: one["ID"] for one in self._own_secrets(api, spec.name)}
        found = {}
        for file in swarm_specs.secrets(spec, launch):
            if file.name not in known:
                made = api.create_secret(file.name, file.content, labels=labels)
                known[file.name] = made["ID"]
            found[known[file.name]] = file
        return found

    def _own_secrets(self, api: _Api, instance: str = "") -> list[Mapping[str, Any]]:
        """Of one instance, or of all."""
        labels = [f"{key}={value}" for key, value in self._secret_labels(instance).items()]
        return list(api.secrets(filters={"label": labels}))

    def _secret_labels(self, instance: str) -> dict[str, str]:
        owned = swarm_specs.owned(self._host, "launch")
        return owned | {f"{commands.LABEL}.instance": instance} if instance else owned

    def _sweep(self, api: _Api) -> None:
        """No secrets but of services that there are: who starts one may be killed before it is."""
        there = {swarm_listing.label(one, "instance") for one in self._services(api)}
        known = self._own_secrets(api)
        _remove_secrets(api, (e for e in known if swarm_listing.label(e, "instance") not in there))

    def _update(self, api: _Api, service: Service, wanted: dict[str, Any]) -> None:
        """Return once it is through; go back to what was where it is not."""
        former = service["Spec"]
        swarm_updates.apply(api, service["ID"], wanted)
        if (trouble := swarm_updates.outcome(api, service["ID"])) is None:
            return
        swarm_updates.apply(api, service["ID"], former)
        raise errors.EngineRefused(
            f"{former['Name']} was updated and did not come up, so that its former spec is back: "
            f"{trouble}",
            fix=f"see `docker service ps {former['Name']}`",
        )

    def _await_absence(self, model: str, routing: ingress.Routing | None) -> None:
        """The routes on file may not be in effect yet, if a reconciler died while waiting."""
        if routing is not None and self.observe().ingress_ready:
            self._traffic.await_front(model, routing.of(model))

    def _endpoint(self, routing: ingress.Routing, instance: str) -> Endpoint:
        return Endpoint(self._traffic.preview_url, ingress.headers(routing, instance))


class _Changes:
    """Each event of a service or a node is a hint, whosever it is."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening

    def __iter__(self) -> Iterator[str]:
        for _ in self._listening:
            yield "a service or a node of the Swarm changed"

    def close(self) -> None:
        self._listening.close()


def _remove_secrets(api: _Api, found: Iterable[Mapping[str, Any]]) -> None:
    for one in found:
        with contextlib.suppress(docker.errors.APIError):
            api.remove_secret(one["ID"])


def _with_secrets(service: Service, files: Mapping[str, swarm_specs.File]) -> dict[str, Any]:
    """What Swarm itself filled in stays as it is."""
    task = service["Spec"]["TaskTemplate"]
    container = task["ContainerSpec"] | {"Secrets": swarm_specs.references(files)}
    return dict(service["Spec"], TaskTemplate=task | {"ContainerSpec": container})
