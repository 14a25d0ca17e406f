"""Which hosts a deployment is for, and how many of them take a new version at a time."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Duration, Labels, Name, Strict, duration_seconds

_PERCENTAGE = r"^([1-9][0-9]?|100)%$"
_MOST_HOSTS = 100_000

Percentage: TypeAlias = Annotated[str, StringConstraints(pattern=_PERCENTAGE)]
FailureAction: TypeAlias = Literal["rollback", "pause", "continue"]


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
    all `matchExpressions` hold.

    With `replicas`, so many of these, spread over the values of the label `spreadBy`.
    """

    hosts: Annotated[list[Name], Field(min_length=1)] | None = None
    match_labels: Annotated[Labels, Field(min_length=1)] | None = None
    match_expressions: Annotated[list[Expression], Field(min_length=1, max_length=100)] | None = (
        None
    )

    replicas: Annotated[int, Field(ge=1, le=_MOST_HOSTS)] | None = None
    spread_by: Name | None = None

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

    @model_validator(mode="after")
    def _a_number_is_out_of_many(self) -> "Targets":
        wrong, fix = "", ""
        if self.replicas is not None and self.hosts is not None:
            wrong, fix = "replicas", "leave replicas out, or mean hosts by matchLabels"
        elif self.spread_by is not None and self.replicas is None:
            wrong, fix = "spreadBy", "add replicas: 2, or leave spreadBy out"
        if wrong:
            raise PydanticCustomError(
                "targets_chosen",
                "{wrong} chooses among hosts, and here is nothing to choose",
                {"wrong": wrong, "at": (wrong,), "fix": fix},
            )
        return self

    def means(self, labels: Mapping[str, str]) -> bool:
        """Whether a host with `labels` is a target, where targets are meant by labels."""
        return (self.match_labels or {}).items() <= labels.items() and all(
            expression.holds(labels) for expression in self.match_expressions or []
        )


class FleetRollout(Strict):
    """In which waves a new version goes over the hosts; left out, all hosts move together.

    `maxParallel` and `maxUnavailable` are numbers of hosts, or percentages of all target hosts,
    rounded down; at least one host may move. `wait` is the time between the last host of a wave
    being done and the next one. A rollout is `atomic` unless it says otherwise: one host that
    fails sends all of them back. Else a host that fails goes back alone, and once more than
    `maxFailureRatio` of all hosts have, `failureAction` says what becomes of the others.
    """

    max_parallel: Annotated[int, Field(ge=1, le=_MOST_HOSTS)] | Percentage | None = None
    wait: Duration = "0s"
    max_unavailable: Annotated[int, Field(ge=0, le=_MOST_HOSTS)] | Percentage | None = None
    atomic: bool = True
    failure_action: FailureAction | None = None
    max_failure_ratio: Annotated[float, Field(ge=0, le=1)] | None = None

    @field_validator("max_parallel", "max_unavailable", mode="before")
    @classmethod
    def _number_or_percentage(cls, given: object, info: ValidationInfo) -> object:
        """One problem with one fix; of a union, pydantic tells one for each member."""
        least = 1 if info.field_name == "max_parallel" else 0
        match given:
            case None:
                return given
            case int() if not isinstance(given, bool) and least <= given <= _MOST_HOSTS:
                return given
            case str() if re.fullmatch(_PERCENTAGE, given):
                return given
            case _:
                raise PydanticCustomError(
                    "number_of_hosts",
                    "{given} is neither a number of hosts nor a percentage of them",
                    {
                        "given": repr(given)[:40],
                        "fix": f"write 2, or 25%; at least {least} and 1%",
                    },
                )

    @model_validator(mode="after")
    def _atomic_leaves_no_choice(self) -> "FleetRollout":
        """All or nothing has one answer to a failure."""
        chosen = "failureAction" if self.failure_action in ("pause", "continue") else ""
        chosen = "maxFailureRatio" if self.max_failure_ratio else chosen
        if self.atomic and chosen:
            raise _contradiction(
                chosen,
                f"{chosen} is for rollouts in which a host may fail alone",
                f"add atomic: false, or leave {chosen} out: all hosts go back",
            )
        if self.failure_action == "continue" and self.max_failure_ratio is not None:
            raise _contradiction(
                "maxFailureRatio",
                "failureAction: continue goes on however many hosts fail",
                "leave maxFailureRatio out, or write failureAction: pause",
            )
        return self

    @property
    def wait_seconds(self) -> int:
        """`wait` in seconds."""
        return duration_seconds(self.wait)

    @property
    def answer(self) -> FailureAction:
        """What becomes of the others once too many hosts have failed."""
        return self.failure_action or ("rollback" if self.atomic else "pause")

    def places(self, hosts: int) -> int:
        """How many of so many hosts may move at once."""
        return hosts if self.max_parallel is None else max(1, _part(self.max_parallel, hosts))

    def bearable(self, hosts: int) -> int:
        """While how many of so many hosts do not serve another one may begin."""
        return hosts if self.max_unavailable is None else _part(self.max_unavailable, hosts)

    def is_too_many(self, failed: int, hosts: int) -> bool:
        """Whether so many failures of so many hosts are more than may be."""
        return failed > (self.max_failure_ratio or 0.0) * hosts


def _part(said: int | str, hosts: int) -> int:
    return said if isinstance(said, int) else hosts * int(said.removesuffix("%")) // 100


def _contradiction(field: str, said: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError("fleet", "{said}", {"said": said, "at": (field,), "fix": fix})
