"""Experiment: two versions share a deployment's users, until one is shown to be better for them.

The first of `variants` is the version that the deployment's own file asks for. What the numbers
mean is in docs/experiments.md.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.kinds.online import Tensor
from reconciler.core.kinds.providers import Http
from reconciler.core.kinds.strategy import StickyTo
from registry.core.strict import Digest, Duration, Metadata, Name, Strict, Url

_DEPLOYMENT = r"^[a-z0-9][a-z0-9-]{0,62}/[a-z0-9][a-z0-9-]{0,62}$"
_Query: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
# How much more a sum varies than if all that is counted came from users of their own.
_DesignEffect: TypeAlias = Annotated[float, Field(ge=1, le=1000)]


class Variant(Strict):
    """One of the two versions, and its percentage of all users."""

    name: Name
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    digest: Digest
    weight: Annotated[int, Field(ge=1, le=99)]


class Proportion(Strict):
    """What is observed of a user is yes or no."""


class Mean(Strict):
    """What is observed of a user is a number: between `lowest` and `highest`, or with a standard
    deviation that is known and tails that are no heavier than a normal distribution's."""

    lowest: float | None = None
    highest: float | None = None
    deviation: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _bounded_somehow(self) -> "Mean":
        is_between = self.lowest is not None and self.highest is not None
        has_a_bound = self.lowest is not None or self.highest is not None
        if is_between == (self.deviation is not None) or (has_a_bound and not is_between):
            raise PydanticCustomError(
                "mean",
                "either lowest and highest are known, or the deviation is",
                {"fix": "write mean: {lowest: 0, highest: 5}, or mean: {deviation: 2}"},
            )
        if self.lowest is not None and self.highest is not None and self.lowest >= self.highest:
            raise PydanticCustomError(
                "mean", "lowest is not below highest", {"fix": "swap them", "at": ("lowest",)}
            )
        return self


class Counted(Strict):
    """What the instances count themselves: requests, of which `designEffect` says how much those
    of one user go together."""

    measure: Literal["errorRate", "rejectionRate", "slowRate"]
    over_seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    design_effect: _DesignEffect

    @model_validator(mode="after")
    def _slow_than_what(self) -> "Counted":
        if (self.over_seconds is not None) != (self.measure == "slowRate"):
            raise PydanticCustomError(
                "slow",
                "slowRate is over so many seconds, and nothing else is",
                {"fix": "write {measure: slowRate, overSeconds: 0.25, designEffect: 1}"},
            )
        return self


class Totals(Strict):
    """Queries for totals that only grow, of the variant `{{args.variant}}`, version
    `{{args.version}}`: how many were observed, their sum and, where known, their squares' sum."""

    address: Url
    count: _Query
    sum: _Query
    squares: _Query | None = None
    design_effect: _DesignEffect


class Labelled(Strict):
    """How right the answers in `output` are, by labels that are posted later: `accuracy` and
    `errorRate` of classes, a proportion; `meanAbsoluteError` of numbers, a mean with bounds. Of
    requests, so `designEffect` says how much the answers to one user go together."""

    metric: Literal["accuracy", "errorRate", "meanAbsoluteError"]
    output: Tensor
    design_effect: _DesignEffect

    @property
    def kind(self) -> str:
        """What a label is: a class or a number."""
        return "number" if self.metric == "meanAbsoluteError" else "class"


class Source(Strict):
    """Exactly one. `http` answers with the totals of all variants: {"control": {"count": 7,
    "sum": 3, "squares": 3}, ...}, each user counted once, when what is observed of them is known.
    """

    runtime: Counted | None = None
    labels: Labelled | None = None
    prometheus: Totals | None = None
    http: Http | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Source":
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "source",
                "is not exactly one of runtime, labels, prometheus, http",
                {"fix": "write one, such as runtime: {measure: errorRate, designEffect: 1}"},
            )
        if self.http is not None and self.http.samples_pointer is not None:
            raise PydanticCustomError(
                "source",
                "the totals have their counts with them",
                {"at": ("http", "samplesPointer"), "fix": "remove it"},
            )
        return self

    @property
    def one(self) -> Counted | Labelled | Totals | Http:
        """The one that is given."""
        found = self.runtime or self.labels or self.prometheus or self.http
        assert found is not None  # noqa: S101  as validated
        return found

    @property
    def design_effect(self) -> float:
        """1 where users are counted."""
        match self.one:
            case Counted() | Labelled() | Totals() as one:
                return one.design_effect
            case Http():
                return 1.0


class Observed(Strict):
    """What is observed of users, and in which direction it gets better."""

    name: Name
    better: Literal["higher", "lower"]
    proportion: Proportion | None = None
    mean: Mean | None = None
    source: Source

    @model_validator(mode="after")
    def _one_form(self) -> "Observed":
        is_one = (self.proportion is None) != (self.mean is None)
        match self.source.one:
            case Counted() if self.mean is not None:
                is_one = False
            case Labelled() as asked:
                is_one &= (self.mean is not None) == (asked.kind == "number")
            case _:
                pass
        if not is_one:
            raise PydanticCustomError(
                "form",
                "a metric is a proportion or a mean: of what the runtime counts, and of labels "
                "that are classes, the first, and of labels that are numbers the second",
                {"fix": "write proportion: {}, or mean: {lowest: 0, highest: 5}"},
            )
        return self

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Between which numbers observations lie, where that is known."""
        if self.mean is None:
            return 0.0, 1.0
        if self.mean.lowest is None or self.mean.highest is None:
            return None
        return self.mean.lowest, self.mean.highest


class Primary(Observed):
    """The metric that decides; a difference below `smallestEffect` does not matter."""

    smallest_effect: Annotated[float, Field(gt=0)]


class Guardrail(Observed):
    """A metric that may not get worse by more than `worseBy`."""

    worse_by: Annotated[float, Field(gt=0)]


class Horizon(Strict):
    """It ends without a winner after so many observations of both variants, or so much time."""

    samples: Annotated[int, Field(ge=100, le=2**53)]
    time: Duration


class ExperimentSpec(Strict):
    """`alpha` is how often, of experiments whose variants do not differ, one ends with a winner."""

    deployment: Annotated[str, StringConstraints(pattern=_DEPLOYMENT)]
    variants: Annotated[list[Variant], Field(min_length=2, max_length=2)]
    unit: StickyTo
    metric: Primary
    guardrails: Annotated[list[Guardrail], Field(max_length=16)] = Field(default_factory=list)
    alpha: Annotated[float, Field(ge=1e-6, le=0.2)] = 0.05
    interval: Duration = "30s"
    horizon: Horizon
    promote: Literal["never", "pullRequest", "commit"] = "never"

    @model_validator(mode="after")
    def _sound(self) -> "ExperimentSpec":
        one, two = self.variants
        names = [self.metric.name, *(guard.name for guard in self.guardrails)]
        wrong = [*_wrong(one, two, names), *_judged_otherwise(list(self.observed()))]
        if wrong:
            at, said, fix = wrong[0]
            raise PydanticCustomError("experiment", "{said}", {"said": said, "at": at, "fix": fix})
        return self

    @property
    def control(self) -> Variant:
        """The version that the deployment's file asks for."""
        return self.variants[0]

    @property
    def treatment(self) -> Variant:
        """The version that may be better."""
        return self.variants[1]

    def observed(self) -> Iterator[Observed]:
        """The metric that decides, then the guardrails."""
        yield self.metric
        yield from self.guardrails


class Experiment(Strict):
    """models.d/experiments/NAME.yaml."""

    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["Experiment"]
    metadata: Metadata
    spec: ExperimentSpec

    folder: ClassVar[str] = "models.d/experiments"


def _judged_otherwise(observed: list[Observed]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """An instance remembers one output, in one way: to ask for another begins anew."""
    asked = [(index, one.source.labels) for index, one in enumerate(observed) if one.source.labels]
    for index, one in asked[1:]:
        first = asked[0][1]
        if (one.output, one.kind) != (first.output, first.kind):
            at = ("guardrails", index - 1, "source", "labels")
            said = f"labels are of the {first.kind} in {first.output} already"
            yield at, said, "let all metrics of labels be about one output, as classes or numbers"


def _wrong(
    one: Variant, two: Variant, names: list[str]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    if one.name == two.name:
        yield ("variants", 1, "name"), "both variants have the same name", "rename one"
    if one.digest == two.digest:
        fix = "name the version that may be better"
        yield ("variants", 1, "digest"), "both variants are the same version", fix
    if one.weight + two.weight != 100:
        fix = f"write weight: {100 - one.weight}"
        yield ("variants", 1, "weight"), "the weights of both are not 100 together", fix
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("guardrails", index - 1, "name"), f"{name} is observed twice", "rename one"
