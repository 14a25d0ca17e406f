"""Hooks: whom a rollout tells, and whose word it needs, before it begins and once it has ended."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Duration, Name, Strict, Url, duration_seconds

_LONGEST_S = 60
Phase: TypeAlias = Literal["preSync", "postSync", "syncFail"]


class HttpCall(Strict):
    """A POST of a CloudEvent; any 2xx answers yes. The reconciler's configuration must allow it."""

    url: Url
    timeout: Duration = "10s"

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, timeout: str) -> str:
        if not 1 <= duration_seconds(timeout) <= _LONGEST_S:
            raise PydanticCustomError(
                "timeout",
                "is not between 1s and 60s",
                {"fix": "let the hook answer at once, and work afterwards"},
            )
        return timeout

    @property
    def timeout_seconds(self) -> int:
        """`timeout` in seconds."""
        return duration_seconds(self.timeout)


class Hook(Strict):
    """One call; after `attempts` that got no 2xx, a `postSync` has failed."""

    name: Name
    http: HttpCall
    attempts: Annotated[int, Field(ge=1, le=20)] = 5


_Hooks: TypeAlias = Annotated[list[Hook], Field(max_length=8)]


class Hooks(Strict):
    """Each list is called in its order, one after the other."""

    pre_sync: _Hooks = Field(default_factory=list)
    post_sync: _Hooks = Field(default_factory=list)
    sync_fail: _Hooks = Field(default_factory=list)

    def of(self, phase: Phase) -> list[Hook]:
        """Those of `phase`."""
        match phase:
            case "preSync":
                return self.pre_sync
            case "postSync":
                return self.post_sync
            case "syncFail":
                return self.sync_fail

    @model_validator(mode="after")
    def _each_once(self) -> "Hooks":
        phases: tuple[Phase, ...] = ("preSync", "postSync", "syncFail")
        for phase in phases:
            names = [hook.name for hook in self.of(phase)]
            for index, name in enumerate(names):
                if name in names[:index]:
                    raise PydanticCustomError(
                        "hooks",
                        "{name} is there already",
                        {
                            "name": name,
                            "at": (phase, index, "name"),
                            "fix": "give each its own name",
                        },
                    )
        return self
