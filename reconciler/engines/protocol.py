"""What the reconciler asks of a host's engine: look, start, route, remove. One file per engine.

Every call is idempotent, so that a step repeated after a crash does no harm: starting what
runs, removing what is gone and routing where traffic already goes are all quiet successes.
Engines raise `errors.EngineUnreachable` when the host does not answer in time and
`errors.EngineRefused` when it answers no.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.core.observed import HostState, InstanceSpec, Route
from reconciler.core.trials import container
from reconciler.core.usage import Resources


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to send HTTP for one instance or one model: a base URL and headers to add."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Launch:
    """What an instance is handed at its start, besides its spec.

    `registry_url` is the registry as seen from the host. `token` and `trust` (the trust root,
    JSON text) are secrets of this host: they go into files, never into environment or labels.
    `permit` is the reconciler's signed word that this host may serve this, as JSON text.
    `environment` are variables for the runtime, secrets among them: a file as well.
    """

    registry_url: str
    token: str = field(repr=False)
    trust: str
    permit: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Changes(Protocol):
    """What happens on a host, as its engine tells it: each in a few words, for the log.

    Only hints: some are lost, and what is true is what `observe` says. The iteration ends when
    the connection does, however that came about, and when `close` is called from any thread.
    """

    def __iter__(self) -> Iterator[str]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Trial:
    """A test in a container, beside `instance` and with no way to anywhere else; `told` is what it
    finds in its environment. `name` is its own on the whole engine."""

    name: str
    instance: str
    image: str
    memory_bytes: int
    cpus: float
    told: str


class Trials(Protocol):
    """Tests that run as containers of a host. None outlives the instance that it tests."""

    def obstacles(self, image: str) -> list[str]:
        """Reasons why no test of `image` could begin here; empty when one could."""

    def begin(self, trial: Trial) -> None:
        """Start it; what a reconciler left of it that died is removed first."""

    def look(self, name: str) -> container.Ended | None:
        """How it ended; None while it runs. Raises `errors.EngineRefused` where it is not there."""

    def end(self, name: str) -> None:
        """Stop it, and remove all that belongs to it."""

    def end_all_of(self, instance: str) -> None:
        """End every test of `instance` that a reconciler left which died in the middle of it."""


class Engine(Protocol):
    """One host. Calls block, are safe from several threads, and end within the engine's timeout."""

    def observe(self) -> HostState:
        """Everything Plimsoll owns on the host, in at most a few read-only calls."""

    def changes(self) -> Changes:
        """Listen, from now on, to what happens to what Plimsoll owns on the host."""

    def preflight(self, spec: InstanceSpec) -> list[str]:
        """Reasons why `spec` could not start here (image, memory, disk); empty when it could."""

    def start(self, spec: InstanceSpec, launch: Launch) -> None:
        """Create the instance (and network, cache, ingress where missing) and start it."""

    def restart(self, instance: str) -> None:
        """Start an instance that exists and has exited."""

    def renew(self, spec: InstanceSpec, launch: Launch) -> None:
        """Hand an instance that refuses its version another permit, and let it try again."""

    def remove(self, instance: str) -> None:
        """Let the instance finish its requests, stop it and delete all that belongs to it."""

    def route(self, route: Route) -> None:
        """Send all traffic of `route.model` to `route.instance`; returns once it takes effect."""

    def unroute(self, model: str) -> None:
        """Send no more traffic of `model` to this host."""

    def preview(self, instance: str) -> Endpoint:
        """Where only the reconciler can reach `instance`, whether routed or not."""

    def front(self) -> Endpoint:
        """Where clients reach the host."""

    def logs(self, instance: str, *, lines: int = 50) -> str:
        """The last lines the instance wrote."""

    def memory(self, instance: str) -> int:
        """The bytes that what runs `instance` holds now, without what the kernel would give back.

        Raises `errors.EngineRefused` where it does not run, or where no engine could tell.
        """

    def resources(self) -> Resources:
        """What the host has, and what each instance that runs holds of it. What this engine cannot
        tell is None there, and said why."""

    def trials(self) -> Trials:
        """Where tests run as containers; raises `errors.EngineRefused` where none can."""

    def close(self) -> None:
        """Let go of connections; what runs on the host runs on."""
