"""Promotion: the version that has done well in one deployment comes to another one, through Git."""

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, StringConstraints

from reconciler.core.kinds.analysis import AnalysisReference
from reconciler.core.kinds.demand import Demand
from reconciler.core.kinds.project import Person, Window
from registry.core.strict import Duration, Metadata, Strict

_Deployment: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$")
]


class Approvals(Strict):
    """Signed approvals of the version by `count` persons; with `by`, only theirs count."""

    count: Annotated[int, Field(ge=1, le=10)]
    by: Annotated[list[Person], Field(min_length=1, max_length=100)] | None = None


class Conditions(Strict):
    """All of them hold at once when Git is told."""

    soak: Duration
    approvals: Approvals | None = None
    windows: Annotated[list[Window], Field(max_length=50)] = Field(default_factory=list)
    analysis: AnalysisReference | None = None
    evidence: Annotated[list[Demand], Field(max_length=20)] = Field(default_factory=list)


class PromotionSpec(Strict):
    """The way from one deployment to another."""

    from_: Annotated[_Deployment, Field(alias="from")]
    to: _Deployment
    conditions: Conditions
    by: Literal["commit", "pullRequest"]


class Promotion(Strict):
    """models.d/promotions/NAME.yaml."""

    folder: ClassVar[str] = "models.d/promotions"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Promotion"]
    metadata: Metadata
    spec: PromotionSpec
