"""Project: what of the fleet belongs to a team, what it may ask for, and when that may begin."""

import zoneinfo
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.projects import cron
from registry.core.strict import (
    Duration,
    FileGlob,
    ImageGlob,
    Labels,
    Metadata,
    ModelGlob,
    Strict,
    duration_seconds,
)
from registry.errors import InvalidInput

_LONGEST_S = 31 * 86400
_SHORTEST_S = 60

Globs: TypeAlias = Annotated[list[ModelGlob], Field(max_length=100)]
Person: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class HostSelector(Strict):
    """Hosts by their name, a glob, by their labels, or by both at once."""

    name: ModelGlob | None = None
    match_labels: Annotated[Labels, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "HostSelector":
        if self.name is None and self.match_labels is None:
            raise PydanticCustomError(
                "selector_empty",
                "says neither name nor matchLabels",
                {"fix": 'write name: "gpu-*" or matchLabels: {team: fraud}'},
            )
        return self


class Roles(Strict):
    """Who may approve versions, promote, and roll back, by their names; nobody, where one is left
    out."""

    approve: Annotated[list[Person], Field(max_length=100)] = Field(default_factory=list)
    promote: Annotated[list[Person], Field(max_length=100)] = Field(default_factory=list)
    roll_back: Annotated[list[Person], Field(max_length=100)] = Field(default_factory=list)


class Window(Strict):
    """From each time that `schedule` comes, for `duration`, rollouts may begin (`allow`) or not.

    With `manualSync` a closed window does not hold back what a person asks for by hand.
    """

    kind: Literal["allow", "deny"]
    schedule: Annotated[str, StringConstraints(max_length=200)]
    duration: Duration
    time_zone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    environments: Annotated[Globs, Field(min_length=1)] | None = None
    manual_sync: bool = False
    reason: Annotated[str, StringConstraints(max_length=200)] = ""

    @field_validator("schedule")
    @classmethod
    def _comes(cls, schedule: str) -> str:
        try:
            cron.parse(schedule)
        except InvalidInput as error:
            raise PydanticCustomError(
                "schedule", "{said}", {"said": error.detail, "fix": error.fix}
            ) from error
        return schedule

    @field_validator("duration")
    @classmethod
    def _is_of_some_length(cls, duration: str) -> str:
        if not _SHORTEST_S <= duration_seconds(duration) <= _LONGEST_S:
            raise PydanticCustomError(
                "window_duration",
                "a window is open for at least a minute and at most 31 days",
                {"fix": "write a duration such as 8h"},
            )
        return duration

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
            raise PydanticCustomError(
                "time_zone",
                "there is no time zone {name}",
                {"name": repr(name), "fix": "write one as IANA names it, such as Europe/Berlin"},
            ) from error
        return name


class ProjectSpec(Strict):
    """What deployments of the project may ask for: globs, and nothing that none of them matches.

    With `files`, only deployments among these can be of the project, and only `authors` may change
    them, by names of git_people. `*` stays within a name, `**` goes over several.
    """

    description: Annotated[str, StringConstraints(max_length=500)] = ""
    models: Globs
    environments: Globs
    hosts: Annotated[list[HostSelector], Field(max_length=100)]
    images: Annotated[list[ImageGlob], Field(max_length=100)]
    roles: Roles | None = None
    windows: Annotated[list[Window], Field(max_length=50)] = Field(default_factory=list)
    files: Annotated[list[FileGlob], Field(max_length=100)] = Field(default_factory=list)
    authors: Annotated[list[Person], Field(max_length=100)] | None = None


class Project(Strict):
    """What belongs to a team, and what it may ask for: models.d/projects/<name>.yaml."""

    folder: ClassVar[str] = "models.d/projects"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Project"]
    metadata: Metadata
    spec: ProjectSpec
