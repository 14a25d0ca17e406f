"""ModelDeployment: one version of one model, on some hosts."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.kinds import environment
from reconciler.core.kinds.environment import Variables
from reconciler.core.kinds.fleet import FleetRollout, Targets
from reconciler.core.kinds.following import Follow
from reconciler.core.kinds.hooks import Hooks
from reconciler.core.kinds.process import Told
from reconciler.core.kinds.strategy import Strategy
from registry.core import canonical, strict
from registry.core.canonical import Json
from registry.core.strict import (
    Digest,
    Image,
    Labels,
    Memory,
    ModelName,
    Name,
    Strict,
    VersionLabel,
)

DEFAULT_PROJECT = "default"


class ModelReference(Strict):
    """The version that must serve: both its number and the digest of its manifest. What they
    `follow` is brought into Git as another version and digest here."""

    name: ModelName
    version: Annotated[int, Field(ge=1, lt=2**63)]
    digest: Digest
    follow: Follow | None = None

    @model_validator(mode="before")
    @classmethod
    def _version_needs_digest(cls, given: object) -> object:
        if isinstance(given, dict) and "version" in given and "digest" not in given:
            raise PydanticCustomError(
                "digest_missing",
                "version {version} is pinned without its digest",
                {
                    "version": str(given["version"]),
                    "at": ("version",),
                    "fix": "add digest: sha256:... as `plimsoll model show` prints it",
                },
            )
        return given


class Resources(Strict):
    """What one instance may use: memory such as 512Mi, and cores such as 0.5."""

    memory: Memory
    cpus: Annotated[float, Field(gt=0, le=1024)]

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes."""
        return strict.memory_bytes(self.memory)


class Runtime(Told):
    """What runs the model. `format` must be the format the version was published in.

    `labels` lead clients that ask for one, such as `/v1/models/fraud/labels/stable`, to this
    version once it serves. With `isolation: process` the model runs in a process of its own,
    which may crash without the runtime; with `trial` it is only loaded in one first.
    `instances`, `threads` and `batching` say how requests run; `kserveV1`, `grpc`, `observing` and
    `limits` are of the whole runtime, which on a Docker host serves this deployment alone.
    `replicas` says how many of it serve at once on a cluster; a host has one. `env` are variables
    of the runtime's environment.
    """

    image: Image
    format: Literal["onnx", "saved_model", "torchscript", "ensemble"]
    resources: Resources
    labels: Annotated[list[VersionLabel], Field(max_length=32)] = Field(default_factory=list)
    isolation: Literal["none", "process", "trial"] = "none"
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    env: Variables = Field(default_factory=list)

    @model_validator(mode="after")
    def _only_onnx_is_mapped(self) -> "Runtime":
        if self.weights == "mapped" and self.format != "onnx":
            raise PydanticCustomError(
                "weights_mapped",
                "weights of the format {format} cannot be mapped",
                {"format": self.format, "at": ("weights",), "fix": "leave weights out"},
            )
        return self

    @model_validator(mode="after")
    def _labels_are_not_versions(self) -> "Runtime":
        for index, label in enumerate(self.labels):
            if re.fullmatch(r"latest|v\d+", label, re.IGNORECASE):
                raise PydanticCustomError(
                    "label_reserved",
                    "the label {label} could be mistaken for a version",
                    {
                        "label": label,
                        "at": ("labels", index),
                        "fix": "use another word: 'latest' and 'v<number>' are reserved",
                    },
                )
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Runtime":
        names = [variable.name for variable in self.env]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise PydanticCustomError(
                    "variable_twice",
                    "the variable {name} is there twice",
                    {"name": name, "at": ("env", index, "name"), "fix": "remove one of them"},
                )
        return self

    def settings(self, sealed: Mapping[str, str]) -> str:
        """What is declared beyond image, format and resources: canonical JSON, or empty.

        `sealed` are the fingerprints of the secrets that `env` names, by `name/key`.
        """
        declared: dict[str, Json] = {"labels": [*sorted(set(self.labels))]} if self.labels else {}
        if self.isolation != "none":
            declared["isolation"] = self.isolation
        declared |= self.tuning
        if self.replicas not in (None, 1):
            declared["replicas"] = self.replicas
        if process := self.process:
            declared["process"] = process
        if self.env:
            declared["env"] = environment.declared(self.env, sealed)
        return canonical.encode(declared).decode() if declared else ""


class AcceptanceReference(Strict):
    """Names an AcceptanceTemplate that the candidate must pass before any traffic."""

    template: Name


class Rollback(Strict):
    """`auto`: go back when the new version turns unhealthy after it got traffic.

    `pushRevertBranch`: also propose the last known good to Git, as a branch.
    """

    auto: bool = True
    push_revert_branch: bool = True


class Dependency(Strict):
    """Names another ModelDeployment of the same environment."""

    name: Name


class DeploymentSpec(Strict):
    """What must serve, where, on what, and how it gets there.

    A new version begins once all of `dependsOn`, and all deployments of the environment and project
    with a smaller `syncWave`, serve what Git asks them to.
    """

    model: ModelReference
    targets: Targets
    runtime: Runtime
    strategy: Strategy
    fleet: FleetRollout = FleetRollout()
    acceptance: list[AcceptanceReference] = Field(default_factory=list)
    rollback: Rollback = Rollback()
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=86400)] = 600
    suspend: bool = False
    depends_on: Annotated[list[Dependency], Field(max_length=64)] = Field(default_factory=list)
    hooks: Hooks = Hooks()
    sync_wave: Annotated[int, Field(ge=-10_000, le=10_000)] = 0


class EnvironmentMetadata(Strict):
    """`name` is the file's name, `environment` its folder, `project` whose it is."""

    name: Name
    environment: Name
    project: Name = DEFAULT_PROJECT
    labels: Labels = Field(default_factory=dict)


class ModelDeployment(Strict):
    """One model that must serve on some hosts: models.d/<environment>/<name>.yaml."""

    folder: ClassVar[str] = "models.d/<environment>"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["ModelDeployment"]
    metadata: EnvironmentMetadata
    spec: DeploymentSpec
