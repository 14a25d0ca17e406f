"""Hosts in memory behind the engine protocol, on which nothing happens by itself."""

import threading
from collections.abc import Iterator, Sequence
from typing import NoReturn

from reconciler.core.observed import (
    Health,
    HostState,
    Instance,
    InstanceSpec,
    Phase,
    Route,
)
from reconciler.engines.protocol import Endpoint, Launch
from registry import errors


class Silence:
    """What a quiet host says: nothing, until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[str]:
        self._closed.wait()
        return iter(())

    def close(self) -> None:
        """End the iteration."""
        self._closed.set()


class QuietHost:
    """Runs all of `specs`, healthy and routed. Each look makes new values, as a real one does."""

    def __init__(self, name: str, specs: Sequence[InstanceSpec]) -> None:
        self.looks = 0
        self._name = name
        self._specs = specs

    def observe(self) -> HostState:
        """What runs, healthy and routed."""
        self.looks += 1
        return HostState(
            host=self._name,
            instances=tuple(
                Instance.of(spec, Phase.RUNNING, Health.HEALTHY) for spec in self._specs
            ),
            routes=tuple(Route(spec.model, spec.deployment, spec.name) for spec in self._specs),
            ingress_ready=True,
        )

    def changes(self) -> Silence:
        """Nothing ever does."""
        return Silence()

    def close(self) -> None:
        """Nothing is open."""

    def preflight(self, spec: InstanceSpec) -> NoReturn:
        """Nobody asks."""
        raise self._asked(spec.name)

    def start(self, spec: InstanceSpec, launch: Launch) -> NoReturn:  # noqa: ARG002
        """Nobody asks."""
        raise self._asked(spec.name)

    def restart(self, instance: str) -> NoReturn:
        """Nobody asks."""
        raise self._asked(instance)

    def renew(self, spec: InstanceSpec, launch: Launch) -> NoReturn:  # noqa: ARG002
        """Nobody asks."""
        raise self._asked(spec.name)

    def remove(self, instance: str) -> NoReturn:
        """Nobody asks."""
        raise self._asked(instance)

    def route(self, route: Route) -> NoReturn:
        """Nobody asks."""
        raise self._asked(route.instance)

    def unroute(self, model: str) -> NoReturn:
        """Nobody asks."""
        raise self._asked(model)

    def preview(self, instance: str) -> Endpoint:
        """Nobody asks."""
        raise self._asked(instance)

    def front(self) -> Endpoint:
        """Nobody asks."""
        raise self._asked("its front")

    def logs(self, instance: str, *, lines: int = 50) -> str:  # noqa: ARG002
        """Nobody asks."""
        raise self._asked(instance)

    def _asked(self, what: str) -> errors.EngineRefused:
        return errors.EngineRefused(f"{self._name} is only looked at, and was asked for {what}")
