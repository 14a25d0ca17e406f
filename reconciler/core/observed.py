"""What a host was seen to run, and what it should be asked to run: plain values, no behaviour.

An *instance* is one runtime serving one version on one host. Engines produce `HostState`
and consume `InstanceSpec`; the planner reads the first and writes the second.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from registry.core import canonical
from registry.core.canonical import Json

_quoted = json.encoder.encode_basestring_ascii


class Phase(StrEnum):
    """The life of an instance as its engine reports it."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


class Health(StrEnum):
    """What the engine's own health check says; `NONE` where it has not looked yet.

    `REFUSED` is the runtime's own word: it will not load this version, and waiting won't help.
    """

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    REFUSED = "refused"


class _Hashed:
    """Where a value keeps its hash: a round of the loop asks for it some ten times an instance."""

    __slots__ = ("_spec_hash",)
    _spec_hash: str


@dataclass(frozen=True, slots=True)
class InstanceSpec(_Hashed):
    """One runtime to be: everything that, when changed, needs a new instance.

    `memory_bytes` is bytes, `cpus` is cores (0.5 is half a core). `commit` says which Git
    commit asked for it; it is carried along for the record and is *not* part of the identity.
    """

    host: str
    deployment: str
    model: str
    version: int
    digest: str
    format: str
    image: str
    memory_bytes: int
    cpus: float
    commit: str
    settings: str = ""

    @property
    def declared(self) -> dict[str, Json]:
        """`settings` as a document."""
        if not self.settings:
            return {}
        return canonical.decode_object(self.settings.encode(), what="settings")

    @property
    def pinned(self) -> dict[str, Json]:
        """What of `settings` the runtime reads beside the version: all but who sees it, how many
        there are, and what is of the whole process."""
        others = {"labels", "process", "replicas", "env"}
        return {name: value for name, value in self.declared.items() if name not in others}

    @property
    def process(self) -> dict[str, Json]:
        """What of `settings` is of the whole runtime, not of this version."""
        found = self.declared.get("process", {})
        return found if isinstance(found, dict) else {}

    @property
    def replicas(self) -> int:
        """How many of it serve at once, where its engine can."""
        found = self.declared.get("replicas", 1)
        return found if isinstance(found, int) else 1

    def on(self, host: str, commit: str) -> "InstanceSpec":
        """The same on `host`, as `commit` asks for it."""
        return InstanceSpec(
            host,
            self.deployment,
            self.model,
            self.version,
            self.digest,
            self.format,
            self.image,
            self.memory_bytes,
            self.cpus,
            commit,
            self.settings,
        )

    def is_like(self, other: "InstanceSpec") -> bool:
        """Whether both have the same hash, told without one."""
        return self is other or (self.host == other.host and self.is_like_but_for_host(other))

    def is_like_but_for_host(self, other: "InstanceSpec") -> bool:
        """Whether both would have the same hash on the same host."""
        return (
            self.digest == other.digest
            and (self.deployment, self.model, self.version)
            == (other.deployment, other.model, other.version)
            and (self.format, self.image, self.memory_bytes, self.cpus, self.settings)
            == (other.format, other.image, other.memory_bytes, other.cpus, other.settings)
        )

    @property
    def spec_hash(self) -> str:
        """Hex sha256 over every field but the commit: equal hashes need no new instance."""
        try:
            return self._spec_hash
        except AttributeError:
            found = _spec_hash(self)
            object.__setattr__(self, "_spec_hash", found)
            return found

    @property
    def name(self) -> str:
        """`plimsoll-<host>-<environment>-<deployment>-<first 8 of the spec hash>`."""
        return f"plimsoll-{self.host}-{self.deployment.replace('/', '-')}-{self.spec_hash[:8]}"

    @property
    def short_name(self) -> str:
        """`<deployment>-v<version>-<first 8 of the spec hash>`: a DNS label of 63 characters at
        most, as clusters name services."""
        tail = f"-v{self.version}-{self.spec_hash[:8]}"
        own = self.deployment.rpartition("/")[2]
        # What begins with a digit is no name of a service in Kubernetes.
        own = own if own[0].isalpha() else f"m-{own}"
        return own[: 63 - len(tail)].rstrip("-") + tail


def _spec_hash(spec: InstanceSpec) -> str:
    """Of all but the commit, as a compact JSON array: by hand, since a fleet has thousands."""
    quoted = _quoted
    words = (
        f"[{quoted(spec.host)},{quoted(spec.deployment)},{quoted(spec.model)},{spec.version},"
        f"{quoted(spec.digest)},{quoted(spec.format)},{quoted(spec.image)},{spec.memory_bytes},"
        f"{float(spec.cpus)!r}"
    )
    # What was asked for before there were settings must not need another instance.
    more = f",{quoted(spec.settings)}" if spec.settings else ""
    return hashlib.sha256(f"{words}{more}]".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Instance:
    """One runtime that is: `deployment` is `environment/name`, `exit_code` is set once exited.

    `detail` says why it is not healthy, in the runtime's own words, where it was asked; `drift`
    what somebody else changed about it, which a restart puts right. `missing` is how many of its
    replicas do not run yet, on a cluster.
    """

    name: str
    host: str
    deployment: str
    model: str
    version: int
    digest: str
    spec_hash: str
    commit: str
    phase: Phase
    health: Health
    exit_code: int | None = None
    detail: str = ""
    drift: str = ""
    missing: int = 0

    @classmethod
    def of(cls, spec: InstanceSpec, phase: Phase, health: Health, *, detail: str = "") -> Self:
        """The instance that `spec` asks for, in this state."""
        return cls(
            name=spec.name,
            host=spec.host,
            deployment=spec.deployment,
            model=spec.model,
            version=spec.version,
            digest=spec.digest,
            spec_hash=spec.spec_hash,
            commit=spec.commit,
            phase=phase,
            health=health,
            detail=detail,
        )

    @property
    def ending(self) -> str:
        """How it ended, for a sentence; not every engine can tell the exit code."""
        return "is gone" if self.exit_code is None else f"exited with code {self.exit_code}"


class Match(StrEnum):
    """How a header's value is compared; `REGEX` must match the whole value."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """Requests whose header `name` has such a value."""

    name: str
    match: Match
    value: str


class StickyBy(StrEnum):
    """What tells one client from another: a cookie of ours, or a header that they send."""

    COOKIE = "cookie"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Sticky:
    """A client stays where it was sent; `name` is that of the cookie or the header."""

    by: StickyBy
    name: str


@dataclass(frozen=True, slots=True)
class Share:
    """What a candidate gets of a model's traffic beside the instance that serves it.

    `weight` is the percentage of requests that it answers. Requests that match all of `headers`,
    where there are any, it answers in any case. `mirror` is the percentage of requests that it
    gets a copy of, and whose answers no client sees.
    """

    instance: str
    weight: int = 0
    mirror: int = 0
    headers: tuple[HeaderMatch, ...] = ()
    sticky: Sticky | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Which instance gets the traffic of a model on one host, less the `share` of another."""

    model: str
    deployment: str
    instance: str
    share: Share | None = None


@dataclass(frozen=True, slots=True)
class HostState:
    """One look at one host. `ingress_ready` is False while its ingress is absent or stopped;
    `ingress_drift` is what somebody else changed about it, which routing puts right."""

    host: str
    instances: tuple[Instance, ...]
    routes: tuple[Route, ...]
    ingress_ready: bool
    ingress_drift: str = ""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The host could not be looked at; `reason` is the engine's own error in one line."""

    host: str
    reason: str
