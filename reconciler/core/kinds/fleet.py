"""Which hosts a deployment is for, and how many of them take a new version at a time."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Duration, Labels, Name, Strict, duration_seconds

_PERCENTAGE = r"^([1-9][0-9]?|100)%$"
_MOST_HOSTS = 100_000

Percentage: TypeAlias = Annotated[str, StringConstraints(pattern=_PERCENTAGE)]


class Expression(Strict):
    """One demand on a host's labels, with Kubernetes' meaning: all demands must hold.

    `NotIn` also holds where the host has no such label.
    """

    key: Name
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[list[str], Field(max_length=1000)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _values_go_with_operators(self) -> "Expression":
        needs_values = self.operator in ("In", "NotIn")
        if needs_values != bool(self.values):
            rule = "needs values" if needs_values else "takes no values"
            fix = "write values: [hamburg, kiel]" if needs_values else "leave values out"
            raise PydanticCustomError(
                "expression_values",
                "the operator {operator} {rule}",
                {"operator": self.operator, "rule": rule, "fix": fix},
            )
        return self

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a host with `labels` is meant."""
        match self.operator:
            case "In":
                return self.key in labels and labels[self.key] in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class Targets(Strict):
    """Either `hosts` by name, or every host that carries all of `matchLabels` and for which
    all `matchExpressions` hold."""

    hosts: Annotated[list[Name], Field(min_length=1)] | None = None
    match_labels: Annotated[Labels, Field(min_length=1)] | None = None
    match_expressions: Annotated[list[Expression], Field(min_length=1, max_length=100)] | None = (
        None
    )

    @property
    def is_by_labels(self) -> bool:
        """Whether hosts are meant by their labels."""
        return self.match_labels is not None or self.match_expressions is not None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Targets":
        if (self.hosts is not None) == self.is_by_labels:
            raise PydanticCustomError(
                "targets",
                "name the targets either by hosts or by matchLabels",
                {"fix": "write hosts: [edge-1], or matchLabels: {site: hamburg}, not both"},
            )
        return self

    def means(self, labels: Mapping[str, str]) -> bool:
        """Whether a host with `labels` is a target, where targets are meant by labels."""
        return (self.match_labels or {}).items() <= labels.items() and all(
            expression.holds(labels) for expression in self.match_expressions or []
        )


class FleetRollout(Strict):
    """In which waves a new version goes over the hosts; left out, all hosts move together.

    `maxParallel` is a number of hosts, or a percentage of all target hosts, rounded down but
    at least one. `wait` is the time between the last host of a wave being done and the next one.
    """

    max_parallel: Annotated[int, Field(ge=1, le=_MOST_HOSTS)] | Percentage | None = None
    wait: Duration = "0s"

    @field_validator("max_parallel", mode="before")
    @classmethod
    def _number_or_percentage(cls, given: object) -> object:
        """One problem with one fix; of a union, pydantic tells one for each member."""
        match given:
            case None:
                return given
            case int() if given is not True and 1 <= given <= _MOST_HOSTS:
                return given
            case str() if re.fullmatch(_PERCENTAGE, given):
                return given
            case _:
                raise PydanticCustomError(
                    "max_parallel",
                    "{given} is neither a number of hosts nor a percentage of them",
                    {"given": repr(given)[:40], "fix": "write 2, or 25%; at least 1 and 1%"},
                )

    @property
    def wait_seconds(self) -> int:
        """`wait` in seconds."""
        return duration_seconds(self.wait)

    def places(self, hosts: int) -> int:
        """How many of so many hosts may move at once."""
        match self.max_parallel:
            case None:
                return hosts
            case int(number):
                return number
            case str(percentage):
                return max(1, hosts * int(percentage.removesuffix("%")) // 100)
