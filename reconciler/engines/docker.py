"""Docker Engine: one hardened container for each instance, one ingress for each host.

Every call starts from what the engine says is there, never from what this object remembers,
so a call repeated after a crash picks up where the last one was.
"""

import contextlib
import threading
from dataclasses import replace
from pathlib import Path

import docker
import docker.errors

from reconciler.core.observed import HostState, Instance, InstanceSpec, Phase, Route
from reconciler.core.usage import Resources
from reconciler.engines import (
    archives,
    commands,
    events,
    ingress,
    limits,
    listing,
    resident,
    stats,
    tolerating,
    trials,
)
from reconciler.engines.protocol import Changes, Endpoint, Launch
from reconciler.engines.traffic import Traffic
from reconciler.engines.transport import Connection
from registry import errors


class DockerEngine:
    """The part of one Docker Engine that carries the label of one host."""

    def __init__(
        self, host: str, *, connection: Connection, traffic: Traffic, ingress_image: str
    ) -> None:
        self._host = host
        self._connection = connection
        self._traffic = traffic
        self._ingress_image = ingress_image
        self._limits = limits.Limits()
        # One writer of the routes at a time: each write is read, change, write back.
        self._writing = threading.RLock()

    def observe(self) -> HostState:
        with self._speaking("list containers") as api:
            ours = api.containers(all=True, filters={"label": commands.owned_by(self._host)})
            updated = self._limits.drifts(api, ours)
        runtimes = [entry for entry in ours if listing.label(entry, "kind") == "runtime"]
        fronts = [entry for entry in ours if listing.label(entry, "kind") == "ingress"]
        routing = self._traffic.read() if fronts else None
        return HostState(
            host=self._host,
            instances=tuple(sorted(_instances(runtimes, updated), key=lambda i: i.name)),
            routes=routing.routes if routing else (),
            ingress_ready=routing is not None and any(map(self._traffic.is_ready, fronts)),
            ingress_drift=self._ingress_drift(routing, fronts, runtimes, updated),
        )

    def changes(self) -> Changes:
        listening = self._connection.listen(f"{self._host}: listen", events.FILTERS)
        return events.Changes(self._host, listening, updated=self._limits.forget)

    def preflight(self, spec: InstanceSpec) -> list[str]:
        with self._speaking("ask what the engine has") as api:
            about = api.info()
            held = sum(int(listing.label(entry, "memory") or 0) for entry in self._runtimes(api))
            reasons = [
                f"image {image} is not on {self._host}"
                for image in (spec.image, self._ingress_image)
                if not _has_image(api, image)
            ]
        free = int(about["MemTotal"]) - held
        if spec.memory_bytes > free:
            reasons.append(
                f"{spec.memory_bytes >> 20} MiB of memory wanted, {max(free, 0) >> 20} MiB of "
                f"{self._host} not yet promised"
            )
        return reasons + resident.disk_reasons(
            Path(about["DockerRootDir"]), self._connection.address
        )

    def start(self, spec: InstanceSpec, launch: Launch) -> None:
        """A crash before the last line leaves a created container; starting again finishes it."""
        start_interval = self._connection.knows_start_interval()
        with self._speaking(f"start {spec.name}") as api:
            self._prepare(api)
            entry = self._find(api, spec.name)
            if entry is None:
                body = commands.runtime_container(spec, start_interval=start_interval)
                self._connection.create(api, body, name=spec.name)
            if entry is None or not listing.is_running(entry):
                files = archives.pack(commands.launch_files(spec, launch))
                api.put_archive(spec.name, commands.LAUNCH_FOLDER, files)
            with self._writing:
                routing = self._traffic.ensure()
                self._publish(routing)
            api.start(spec.name)
        self._traffic.await_preview(self._endpoint(routing, spec.name))

    def restart(self, instance: str) -> None:
        with self._speaking(f"restart {instance}") as api:
            entry = self._known(api, instance)
            if listing.instance(entry).phase is Phase.CREATED:
                raise errors.EngineRefused(
                    f"{instance} was created but never got its launch files",
                    fix="start it again from its spec",
                )
            self._mend(api, entry)
            api.start(instance)

    def _mend(self, api: docker.APIClient, entry: listing.Entry) -> None:
        """Undo what somebody did to a container that runs."""
        if entry["State"] == "paused":
            api.unpause(entry["Id"])
        if listing.is_running(entry) and listing.drift(entry):
            alias = commands.alias(listing.label(entry, "spec"))
            api.connect_container_to_network(entry["Id"], commands.NETWORK, aliases=[alias])
        limits.mend(self._connection, api, entry)
        self._limits.forget()

    def renew(self, spec: InstanceSpec, launch: Launch) -> None:
        """It answers nobody, so that starting it anew interrupts nobody."""
        with self._speaking(f"renew {spec.name}") as api:
            self._known(api, spec.name)
            files = archives.pack(commands.launch_files(spec, launch))
            api.put_archive(spec.name, commands.LAUNCH_FOLDER, files)
            api.restart(spec.name, timeout=commands.GRACE_SECONDS)

    def remove(self, instance: str) -> None:
        with self._speaking(f"remove {instance}") as api:
            routing = self._routing(api)
            if routing.uses(instance):
                raise errors.EngineRefused(
                    f"{instance} still gets traffic", fix="route its model elsewhere first"
                )
            entry = self._find(api, instance)
            if entry is None:
                return
            self.trials().end_all_of(instance)
            if listing.is_running(entry):
                self._await_absence(listing.instance(entry).model, routing)
            # Gone already, by another hand, is as good.
            with contextlib.suppress(docker.errors.NotFound):
                api.stop(instance, timeout=commands.GRACE_SECONDS)
                api.remove_container(instance, v=True, force=True)
            with self._writing:
                self._publish(self._traffic.read() or routing)

    def route(self, route: Route) -> None:
        with self._writing:
            self._traffic.check(route)
            with self._speaking(f"route {route.model}") as api:
                for instance in ingress.ends(route):
                    if not listing.is_running(self._known(api, instance)):
                        raise errors.EngineRefused(
                            f"{instance} is not running", fix="start it first"
                        )
            self._publish(self._traffic.ensure().with_route(route))
            self._limits.forget()
            self._traffic.await_front(route.model, route)

    def unroute(self, model: str) -> None:
        with self._writing:
            routing = self._traffic.read()
            if routing is not None and routing.of(model):
                routing = self._traffic.ensure().without(model)
                self._publish(routing)
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
            self._known(api, instance)
            return api.logs(instance, tail=lines).decode(errors="replace")

    def memory(self, instance: str) -> int:
        with self._speaking(f"ask for the memory of {instance}") as api:
            self._known(api, instance)
            return stats.memory(api, instance)

    def resources(self) -> Resources:
        with self._speaking("ask what its instances hold") as api:
            return stats.resources(api, self._runtimes(api))

    def trials(self) -> trials.DockerTrials:
        return trials.DockerTrials(self._host, self._connection)

    def close(self) -> None:
        self._connection.close()

    def _speaking(self, doing: str) -> contextlib.AbstractContextManager[docker.APIClient]:
        return self._connection.speaking(f"{self._host}: {doing}")

    def _prepare(self, api: docker.APIClient) -> None:
        """The network and the cache, created where they are missing."""
        if not api.networks(names=[f"^{commands.NETWORK}$"]):
            # Another host on this engine may be first: then it is there, which is all we want.
            with tolerating.conflict():
                api.create_network(commands.NETWORK, driver="bridge", check_duplicate=True)
        api.create_volume(
            commands.cache_volume(self._host),
            labels={f"{commands.LABEL}.managed": "true", f"{commands.LABEL}.host": self._host},
        )

    def _runtimes(self, api: docker.APIClient) -> list[listing.Entry]:
        return self._list(api, "runtime")

    def _list(self, api: docker.APIClient, kind: str) -> list[listing.Entry]:
        labels = [*commands.owned_by(self._host), f"{commands.LABEL}.kind={kind}"]
        return list(api.containers(all=True, filters={"label": labels}))

    def _publish(self, routing: ingress.Routing) -> None:
        """Routes, and a preview for each instance that exists at this moment."""
        with self._speaking("list runtimes") as api:
            entries = self._runtimes(api)
        self._traffic.tell(routing, _upstreams(entries))

    def _ingress_drift(
        self,
        routing: ingress.Routing | None,
        fronts: list[listing.Entry],
        runtimes: list[listing.Entry],
        updated: dict[str, str],
    ) -> str:
        changed = "".join(updated.get(str(one["Id"]), "") for one in fronts)
        if changed:
            return f"the ingress {changed}"
        if routing is not None and not self._traffic.is_told(routing, _upstreams(runtimes)):
            return "the routes of the ingress are not as they were written"
        if routing is not None and not self._traffic.is_taken_up(routing):
            return "the ingress does not go by its routes yet"
        return ""

    def _routing(self, api: docker.APIClient) -> ingress.Routing:
        """Where traffic goes, for certain: what cannot be read may still be in effect."""
        routing = self._traffic.read()
        if routing is not None:
            return routing
        if self._list(api, "ingress"):
            raise errors.EngineRefused(
                f"no routes of {self._host} can be read", fix="route its models again"
            )
        with self._writing:
            return self._traffic.ensure()

    def _await_absence(self, model: str, routing: ingress.Routing) -> None:
        """The routes on file may not be in effect yet, if a reconciler died while waiting."""
        if self.observe().ingress_ready:
            self._traffic.await_front(model, routing.of(model))

    def _find(self, api: docker.APIClient, name: str) -> listing.Entry | None:
        return next((e for e in self._runtimes(api) if listing.name(e) == name), None)

    def _known(self, api: docker.APIClient, instance: str) -> listing.Entry:
        entry = self._find(api, instance)
        if entry is None:
            raise errors.EngineRefused(
                f"{instance} is not on {self._host}", fix="look at the host again"
            )
        return entry

    def _endpoint(self, routing: ingress.Routing, instance: str) -> Endpoint:
        return Endpoint(self._traffic.preview_url, ingress.headers(routing, instance))


def _instances(runtimes: list[listing.Entry], updated: dict[str, str]) -> list[Instance]:
    found = ((listing.instance(one), updated.get(str(one["Id"]), "")) for one in runtimes)
    return [replace(one, drift=one.drift or changed) for one, changed in found]


def _upstreams(runtimes: list[listing.Entry]) -> dict[str, str]:
    return {
        listing.name(entry): commands.upstream(listing.label(entry, "spec")) for entry in runtimes
    }


def _has_image(api: docker.APIClient, image: str) -> bool:
    try:
        api.inspect_image(image)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        return False
    return True
