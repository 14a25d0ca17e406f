"""The embedded engine: one local runtime process, in which versions are swapped.

An instance is a version that the process has loaded. There is no ingress beside the runtime:
it answers clients on the host's port itself, and routing means making a version active.
Candidates are reached by the URL that names their version, `/v1/models/m/versions/2`, and only
with the runtime's control token: to clients an inactive version does not exist.
"""

import dataclasses
import importlib.util
import json
import shutil
import threading
from pathlib import Path
from typing import Any

from reconciler.core import runtimefile
from reconciler.core.observed import HostState, Instance, InstanceSpec, Phase, Route
from reconciler.core.usage import Resources
from reconciler.engines import deaths, handed, loaded, records, resident, shares, supervised, wire
from reconciler.engines.protocol import Changes, Endpoint, Launch, Trials
from reconciler.engines.records import Records
from registry import errors

_LEAST_DISK = 1 << 30
_STOP_SECONDS = 30.0


class ProcessEngine:
    """`state` is this host's own folder, `timeout` the seconds that any answer may take."""

    def __init__(
        self, host: str, *, state: Path, port: int, timeout: float, bind: str = "127.0.0.1"
    ) -> None:
        self._host = host
        self._state = state.resolve()
        self._handed = handed.Handed(self._state, host=host, listen=f"{bind}:{port}")
        self._url = f"http://127.0.0.1:{port}"
        self._timeout = timeout
        self._records = self._state / "instances.json"
        self._process = supervised.Supervised(
            ["-m", "runtime", "--config", str(self._handed.config)],
            log=self._state / "runtime.log",
            environment=supervised.environment(),
        )
        self._changing = threading.RLock()

    def observe(self) -> HostState:
        with self._changing:
            known = records.read(self._records)
        versions = self._versions()
        # Without its file a process that does not run would come back with nothing.
        holds = {} if versions is None and not self._handed.config.exists() else versions
        return HostState(
            host=self._host,
            instances=tuple(loaded.instance(name, known, holds) for name in sorted(known.specs)),
            routes=loaded.routes(known, versions),
            ingress_ready=versions is not None,
        )

    def changes(self) -> Changes:
        return deaths.Deaths(self._process.pid)

    def preflight(self, spec: InstanceSpec) -> list[str]:
        reasons = loaded.misplaced(spec, self._handed.config)
        if importlib.util.find_spec("runtime") is None:
            reasons.append("the package `runtime` is not installed here")
        free = resident.free()
        if spec.memory_bytes > free:
            reasons.append(
                f"{spec.memory_bytes >> 20} MiB of memory wanted, {free >> 20} MiB available"
            )
        disk = shutil.disk_usage(_existing(self._state)).free
        if disk < _LEAST_DISK:
            reasons.append(f"{self._state} has {disk >> 20} MiB left")
        return reasons

    def start(self, spec: InstanceSpec, launch: Launch) -> None:
        """Recorded first: after a crash the version is known, though nothing has loaded it."""
        with self._changing:
            self._handed.write(launch, is_running=self._process.pid() is not None)
            self._run()
            known = records.read(self._records)
            if known.specs.get(spec.name) != spec:
                specs = {**known.specs, spec.name: spec}
                records.write(self._records, dataclasses.replace(known, specs=specs))
            self._load(spec, launch.permit)

    def restart(self, instance: str) -> None:
        with self._changing:
            self._known(instance)
            if self._process.pid() is None:
                self._run()
            if self._seen(instance).phase is Phase.CREATED:
                # Not loaded here: without the permit that comes with its launch it is refused.
                raise errors.EngineRefused(
                    f"{instance} was recorded but never loaded", fix="start it again from its spec"
                )

    def renew(self, spec: InstanceSpec, launch: Launch) -> None:
        self.start(spec, launch)  # a version that was refused is loaded again

    def remove(self, instance: str) -> None:
        with self._changing:
            if any(route.instance == instance for route in self.observe().routes):
                raise errors.EngineRefused(
                    f"{instance} still gets traffic", fix="route its model elsewhere first"
                )
            known = records.read(self._records)
            spec = known.specs.get(instance)
            if spec is None:
                return
            others = {name: other for name, other in known.specs.items() if name != instance}
            if not any(_path(other) == _path(spec) for other in others.values()):
                self._unload(spec)
            records.write(self._records, dataclasses.replace(known, specs=others))

    def route(self, route: Route) -> None:
        with self._changing:
            spec = self._known(shares.whole(route).instance)
            if self._seen(route.instance).phase is not Phase.RUNNING:
                raise errors.EngineRefused(f"{route.instance} is not running", fix="start it first")
            # Told together, or whoever dies in between leaves labels with a version that goes.
            labels = {"labels": runtimefile.policy(spec)["labels"]}
            self._ask("POST", f"{_path(spec)}/activate", json.dumps(labels).encode())
            self._label(spec)
            self._record_route(route.model, route)

    def unroute(self, model: str) -> None:
        with self._changing:
            if any(route.model == model for route in self.observe().routes):
                self._run()
                self._ask("DELETE", f"/plimsoll/models/{model}/active")
            self._record_route(model, None)

    def preview(self, instance: str) -> Endpoint:
        """The control token shows versions that clients cannot reach yet."""
        self._known(instance)
        return Endpoint(self._url, self._handed.authorization())

    def front(self) -> Endpoint:
        return Endpoint(self._url, {})

    def logs(self, instance: str, *, lines: int = 50) -> str:
        """The versions share one process, so this is the log of them all."""
        self._known(instance)
        return self._process.tail(lines)

    def memory(self, instance: str) -> int:
        """Of the whole process: the versions in it share what it holds."""
        self._known(instance)
        pid = self._process.pid()
        if pid is None:
            raise errors.EngineRefused(f"the runtime of {self._host} does not run", fix="start it")
        return resident.resident(pid)

    def resources(self) -> Resources:
        return resident.resources(self._read().specs, self._process.pid())

    def trials(self) -> Trials:
        raise errors.EngineRefused(
            f"{self._host} has no engine that runs containers",
            fix="test in containers on a Docker host",
        )

    def close(self) -> None:
        """The process stays: it serves whether or not anybody watches over it."""

    def halt(self) -> None:
        """End the process; what it served is EXITED until something restarts it."""
        self._process.stop(timeout=_STOP_SECONDS)

    def _run(self) -> None:
        if self._process.pid() is None:
            self._process.start()
        if not wire.until(self._is_live, timeout=self._timeout):
            said = self._process.tail(1).strip() or "nothing"
            raise errors.EngineRefused(
                f"the runtime of {self._host} does not answer at {self._url}; it said: {said}",
                fix=f"see {self._state / 'runtime.log'}, and that the port is free",
            )

    def _is_live(self) -> bool:
        """Whether our own process answers, and not another one on its port."""
        try:
            return wire.ask(f"{self._url}/livez").status == 200 and self._process.pid() is not None
        except errors.EngineUnreachable:
            return False

    def _load(self, spec: InstanceSpec, permit: str) -> None:
        """Without a permit the one that the runtime has on file stands."""
        pin: dict[str, Any] = {"digest": spec.digest, "format": spec.format, **spec.pinned}
        pin |= {"deployment": spec.deployment, "memoryBytes": spec.memory_bytes}
        if permit:
            pin["permit"] = json.loads(permit)
        self._ask("PUT", _path(spec), json.dumps(pin).encode())

    def _label(self, spec: InstanceSpec) -> None:
        """Labels move with the traffic: to a version that was accepted, never to a candidate.

        A runtime of an earlier release, which outlived its reconciler, was not told of them yet.
        """
        known, wanted = self._ask("GET", "/plimsoll/status"), runtimefile.policy(spec)
        if loaded.labels(known, spec.model) != wanted["labels"]:
            self._ask("PUT", f"/plimsoll/models/{spec.model}/policy", json.dumps(wanted).encode())

    def _unload(self, spec: InstanceSpec) -> None:
        self._run()
        self._ask("DELETE", _path(spec), timeout=self._timeout + _STOP_SECONDS)

    def _record_route(self, model: str, route: Route | None) -> None:
        known = records.read(self._records)
        routes = {name: other for name, other in known.routes.items() if name != model}
        if route is not None:
            routes[model] = route
        if routes != known.routes:
            records.write(self._records, dataclasses.replace(known, routes=routes))

    def _versions(self) -> loaded.Versions | None:
        """What the process has loaded; None when there is no process."""
        if self._process.pid() is None:
            return None
        try:
            return loaded.versions(self._ask("GET", "/plimsoll/status"))
        except errors.EngineUnreachable:
            if self._process.pid() is None:  # it ended while we asked
                return None
            raise

    def _known(self, instance: str) -> InstanceSpec:
        spec = self._read().specs.get(instance)
        if spec is None:
            raise errors.EngineRefused(
                f"{instance} is not on {self._host}", fix="look at the host again"
            )
        return spec

    def _seen(self, instance: str) -> Instance:
        return next(one for one in self.observe().instances if one.name == instance)

    def _read(self) -> Records:
        with self._changing:
            return records.read(self._records)

    def _ask(
        self, method: str, path: str, body: bytes = b"", *, timeout: float | None = None
    ) -> bytes:
        answer = wire.ask(
            self._url + path,
            method=method,
            headers=self._handed.authorization(),
            body=body,
            timeout=timeout or self._timeout,
        )
        if answer.status >= 300:
            raise errors.EngineRefused(
                f"{self._host}: {method} {path}: {_said(answer)}",
                fix=f"see {self._state / 'runtime.log'}",
            )
        return answer.body


def _path(spec: InstanceSpec) -> str:
    return f"/plimsoll/models/{spec.model}/versions/{spec.version}"


def _said(answer: wire.Answer) -> str:
    try:
        return str(json.loads(answer.body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
