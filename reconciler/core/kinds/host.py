"""Host: one machine, its engine and its front door."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Memory, Metadata, Strict, Url

_ADDRESS = re.compile(
    r"unix:///\S+|tcp://[^\s/:]+:[0-9]{1,5}|ssh://([^\s/@]+@)?[^\s/@]+(:[0-9]{1,5})?"
    r"|process://(/\S*)?"
)


class Engine(Strict):
    """Where the host's engine answers. With `mode: swarm` it is a manager of a Docker Swarm, and
    the host is all of its nodes."""

    address: str
    mode: Literal["swarm"] | None = None

    @field_validator("address")
    @classmethod
    def _known_scheme(cls, address: str) -> str:
        if not _ADDRESS.fullmatch(address):
            raise PydanticCustomError(
                "engine_address",
                "{address} is not an engine address",
                {
                    "address": repr(address),
                    "fix": "write unix:///var/run/docker.sock, tcp://host:2376, ssh://user@host "
                    "or process://",
                },
            )
        return address

    @model_validator(mode="after")
    def _swarms_are_docker(self) -> "Engine":
        if self.mode == "swarm" and self.is_process:
            raise PydanticCustomError(
                "engine_mode",
                "{address} is no address of a Swarm's manager",
                {
                    "address": repr(self.address),
                    "at": ("mode",),
                    "fix": "leave mode out, or write the address of a manager: tcp://host:2376",
                },
            )
        return self

    @property
    def is_process(self) -> bool:
        """Whether one runtime serves all of the host's models."""
        return self.address.startswith("process://")


class Ingress(Strict):
    """The one port on which the host answers clients of all its models, the one for those that
    speak gRPC, and the proxy that does. On `metricsPort` it tells Prometheus of each instance's
    answers."""

    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)]
    grpc_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    driver: Literal["traefik", "haproxy"] | None = None


class Capacity(Strict):
    """What of the host is for models, in all; what is left out is not counted."""

    memory: Memory | None = None
    cpus: Annotated[float, Field(gt=0, le=100_000)] | None = None


class HostSpec(Strict):
    """`registry` is the registry's URL as seen from the host, where it differs.

    With `managedBy: agent` the host looks after itself, by `plimsoll agent`: its engine's address
    is as it sees that itself, and nobody else acts on it.

    With `drain`, nothing new begins on the host, and what can serve elsewhere leaves it.
    """

    engine: Engine
    ingress: Ingress
    registry: Url | None = None
    managed_by: Literal["reconciler", "agent"] = "reconciler"
    capacity: Capacity | None = None
    drain: bool = False

    @model_validator(mode="after")
    def _drivers_are_for_docker(self) -> "HostSpec":
        if self.ingress.driver == "haproxy" and (self.engine.is_process or self.engine.mode):
            raise PydanticCustomError(
                "ingress_driver",
                "only a Docker Engine of its own has HAProxy before it",
                {"at": ("ingress", "driver"), "fix": "leave driver out"},
            )
        return self

    @model_validator(mode="after")
    def _agents_act_on_their_own_machine(self) -> "HostSpec":
        address = self.engine.address
        if self.managed_by == "agent" and not address.startswith(("unix://", "process://")):
            raise PydanticCustomError(
                "agent_address",
                "an agent acts on its own machine, and {address} may be another",
                {
                    "address": repr(address),
                    "at": ("engine", "address"),
                    "fix": "write unix:///var/run/docker.sock or process://, "
                    "or leave managedBy out",
                },
            )
        return self


class Host(Strict):
    """One machine: models.d/hosts/<name>.yaml."""

    folder: ClassVar[str] = "models.d/hosts"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Host"]
    metadata: Metadata
    spec: HostSpec
