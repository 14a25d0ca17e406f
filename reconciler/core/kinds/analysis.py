"""AnalysisTemplate: what is measured while a candidate has traffic, and what is good enough.

Field names and their meaning are those of Argo Rollouts; `minimumSamples` is ours.
"""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core import substitution
from reconciler.core.kinds import expression
from reconciler.core.kinds.online import Drift, Labels
from reconciler.core.kinds.providers import Http, Prometheus, Provider
from registry.core import strict
from registry.core.strict import Duration, Metadata, Name, Strict
from registry.errors import InvalidInput

CONDITION_NAMES = ("result", "samples", "candidate", "stable", "args")
# What every analysis knows of what it is about, without being told.
GIVEN_ARGS = frozenset(
    {"model", "environment", "deployment", "candidate-version", "stable-version"}
)
_Value: TypeAlias = Annotated[str, StringConstraints(max_length=1024)]
_Limit: TypeAlias = Annotated[int, Field(ge=-1, le=10_000)]


_checked = expression.over(CONDITION_NAMES, kind="condition", listed=", ".join(CONDITION_NAMES))
Condition: TypeAlias = Annotated[
    str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_checked)
]


class Metric(Strict):
    """One number, or several, that are measured `count` times, once an `interval`.

    Without `count`, once; with `interval` and no `count` for as long as the analysis runs. More
    than `failureLimit` failures fail it; -1 is no limit. A measurement on fewer samples than
    `minimumSamples` counts as nothing, and is taken again.
    """

    name: Name
    provider: Provider
    success_condition: Condition | None = None
    failure_condition: Condition | None = None
    initial_delay: Duration = "0s"
    interval: Duration | None = None
    count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    failure_limit: _Limit = 0
    inconclusive_limit: _Limit = 0
    consecutive_error_limit: _Limit = 4
    minimum_samples: Annotated[int, Field(ge=1, le=2**53)] | None = None

    @field_validator("interval")
    @classmethod
    def _not_at_once(cls, interval: str | None) -> str | None:
        if interval is not None and strict.duration_seconds(interval) < 1:
            raise PydanticCustomError("interval", "is zero", {"fix": "write 1s or more"})
        return interval

    @model_validator(mode="after")
    def _whole(self) -> "Metric":
        if self.count is not None and self.count > 1 and self.interval is None:
            raise PydanticCustomError(
                "interval",
                "is measured {count} times, and interval is missing",
                {"count": self.count, "at": ("count",), "fix": "add interval: 30s"},
            )
        if self.minimum_samples is not None and not self.provider.counts_samples:
            raise PydanticCustomError(
                "samples",
                "nothing says how many samples a result stands on",
                {
                    "at": ("minimumSamples",),
                    "fix": "add samples: a query to prometheus, or samplesPointer to http",
                },
            )
        if self.minimum_samples is None and isinstance(self.provider.one, Drift | Labels):
            raise PydanticCustomError(
                "samples",
                "a few values are always far from a reference, and a few labels say nothing",
                {"fix": "add minimumSamples: 500"},
            )
        return self

    @property
    def names_stable(self) -> bool:
        """Whether a condition compares with stable."""
        told = f"{self.success_condition} {self.failure_condition}"
        return re.search(r"\bstable\b", told) is not None

    def wanted_args(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """The arguments that it asks for, each with its place; raises `InvalidInput`."""
        match self.provider.one:
            case Prometheus() as asked:
                yield from ((("prometheus", "query"), n) for n in substitution.names(asked.query))
                more = substitution.names(asked.samples or "")
                yield from ((("prometheus", "samples"), name) for name in more)
            case Http() as asked:
                yield from ((("http", "url"), name) for name in substitution.names(asked.url))
                more = substitution.names_within(asked.body)
                yield from ((("http", "body"), name) for name in more)
            case _:
                return


class Arg(Strict):
    """`value` is for when whoever names the template gives none; without it they must."""

    name: Name
    value: _Value | None = None


class AnalysisSpec(Strict):
    """All metrics must succeed; the first to fail, to err or to be inconclusive ends it."""

    args: Annotated[list[Arg], Field(max_length=64)] = Field(default_factory=list)
    metrics: Annotated[list[Metric], Field(min_length=1, max_length=64)]

    @model_validator(mode="after")
    def _each_once(self) -> "AnalysisSpec":
        _refuse_twice("args", [arg.name for arg in self.args])
        _refuse_twice("metrics", [metric.name for metric in self.metrics])
        for index, arg in enumerate(self.args):
            if arg.name in GIVEN_ARGS:
                fix = f"use another name than {', '.join(sorted(GIVEN_ARGS))}"
                said = f"{arg.name} is given to every analysis"
                raise _error(("args", index, "name"), said, fix)
        return self

    @model_validator(mode="after")
    def _args_are_known(self) -> "AnalysisSpec":
        known = {arg.name for arg in self.args} | GIVEN_ARGS
        fix = f"add it to spec.args, or use one of {', '.join(sorted(known))}"
        for index, metric in enumerate(self.metrics):
            at = ("metrics", index, "provider")
            try:
                wanted = list(metric.wanted_args())
            except InvalidInput as error:
                raise _error(at, error.detail, error.fix) from error
            for place, name in wanted:
                if name not in known:
                    raise _error((*at, *place), f"there is no argument {name}", fix)
        return self


def _refuse_twice(field: str, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            said = f"{name} is there already"
            raise _error((field, index, "name"), said, "give each its own name")


def _error(at: tuple[str | int, ...], message: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError("analysis", "{said}", {"said": message, "at": at, "fix": fix})


class AnalysisTemplate(Strict):
    """What an analysis measures: models.d/templates/<name>.yaml."""

    folder: ClassVar[str] = "models.d/templates"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["AnalysisTemplate"]
    metadata: Metadata
    spec: AnalysisSpec


class TemplateName(Strict):
    """Names an AnalysisTemplate."""

    template_name: Name


class GivenArg(Strict):
    """A value for one of the templates' arguments."""

    name: Name
    value: _Value


class AnalysisReference(Strict):
    """An analysis that a strategy asks for: these templates as one, with these arguments."""

    templates: Annotated[list[TemplateName], Field(min_length=1, max_length=16)]
    args: Annotated[list[GivenArg], Field(max_length=64)] = Field(default_factory=list)


class AwaitedAnalysis(AnalysisReference):
    """One that a rollout waits for. What is not measured by the `timeout` is inconclusive; without
    one, that is 30 minutes after all could have been measured."""

    timeout: Duration | None = None
