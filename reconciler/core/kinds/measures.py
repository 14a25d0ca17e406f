"""What an AcceptanceTemplate measures, and the bounds that it must keep: in all, in slices, and
between slices. Metrics are as scikit-learn defines them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_serializer, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from registry.core.strict import Name, Strict

_Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Change: TypeAlias = Annotated[float, Field(ge=0)]
Confidence: TypeAlias = Annotated[float, Field(ge=0.5, le=0.999)]
MetricName: TypeAlias = Literal[
    "accuracy", "precision", "recall", "f1", "auroc", "logLoss", "calibrationError",
    "rmse", "mae", "r2",
]  # fmt: skip
Value: TypeAlias = str | int | float | bool
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256)]

# These need a class for each sample; the others a number.
CLASSES: frozenset[MetricName] = frozenset(
    ("accuracy", "precision", "recall", "f1", "auroc", "logLoss", "calibrationError")
)


class Grown(Strict):
    """Fields in `later` came with a later release. Where a file leaves them out so do documents:
    then the upgrade that brings them changes no revision, and begins no rollout."""

    later: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_later(self, handler: SerializerFunctionWrapHandler) -> dict[str, object]:
        said: dict[str, object] = handler(self)
        return {
            name: value
            for name, value in said.items()
            if name not in self.later or value not in (None, [])
        }


class Higher(Grown):
    """Of a metric that should be high: at least `min`, and at most `maxDrop` below the serving
    version. With a `confidence` that must hold for the end of the interval, not its middle."""

    later = frozenset({"confidence"})
    min: float | None = None
    max_drop: _Change | None = None
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "Higher":
        if self.min is None and self.max_drop is None:
            raise _unbounded("write min: 0.9, or maxDrop: 0.02, or both")
        return self


class Lower(Strict):
    """Of a metric that should be low: at most `max`, and at most `maxRise` above the serving
    version. With a `confidence` that must hold for the end of the interval, not its middle."""

    max: float | None = None
    max_rise: _Change | None = None
    confidence: Confidence | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "Lower":
        if self.max is None and self.max_rise is None:
            raise _unbounded("write max: 0.1, or maxRise: 0.02, or both")
        return self


class Accuracy(Higher):
    """The share of right answers."""

    min: _Share | None = None
    max_drop: _Share | None = None


class Averaged(Higher):
    """`macro` is the mean over the classes, `weighted` that by their number of samples, `micro`
    counts over all classes; `binary` is of class 1 alone."""

    average: Literal["macro", "micro", "weighted", "binary"] = "macro"


class Calibration(Lower):
    """How far the highest score is from the share of right answers, over `bins` of equal width."""

    bins: Annotated[int, Field(ge=2, le=100)] = 10


class SingleLatency(Strict):
    """Milliseconds for one request of one sample."""

    p95_milliseconds: Annotated[float, Field(gt=0)]


Bound: TypeAlias = Higher | Lower


class Bounds(Grown):
    """Metrics with their bounds. `auroc` of several classes is the mean of each against the rest;
    `logLoss` and `calibrationError` need scores that are probabilities."""

    later = frozenset({*CLASSES, "rmse", "mae", "r2"} - {"accuracy"})
    accuracy: Accuracy | None = None
    precision: Averaged | None = None
    recall: Averaged | None = None
    f1: Averaged | None = None
    auroc: Higher | None = None
    log_loss: Lower | None = None
    calibration_error: Calibration | None = None
    rmse: Lower | None = None
    mae: Lower | None = None
    r2: Higher | None = None

    @property
    def asked(self) -> tuple[tuple[MetricName, Bound], ...]:
        """What is bounded here, in one order."""
        return tuple(_bounds(self))

    @model_validator(mode="after")
    def _asks_of_one_kind(self) -> "Bounds":
        names = {name for name, _ in self.asked}
        if names & CLASSES and names - CLASSES:
            raise PydanticCustomError(
                "metrics",
                "{classes} is about classes and {numbers} about numbers",
                {
                    "classes": min(names & CLASSES),
                    "numbers": min(names - CLASSES),
                    "fix": "ask for one kind; the answers of one model are of one",
                },
            )
        return self


class Metrics(Bounds):
    """What is measured of all samples, and the bounds it must keep."""

    latency: SingleLatency | None = None


class Slice(Strict):
    """The samples whose columns have the values of `where`, with bounds of their own."""

    name: Name
    where: Annotated[dict[Text, Value], Field(min_length=1, max_length=8)]
    minimum_samples: Annotated[int, Field(ge=1)]
    metrics: Bounds = Field(default_factory=Bounds)


class Fairness(Strict):
    """The metric may differ by at most `maxGap` between any two of the slices. With a `confidence`
    that must hold for the upper end of the gap's interval."""

    metric: MetricName
    between: Annotated[list[Name], Field(min_length=2, max_length=16)]
    max_gap: _Change
    average: Literal["macro", "micro", "weighted", "binary"] = "macro"
    confidence: Confidence | None = None


class Sanity(Strict):
    """Signs of a broken model that a good score can hide; NaN, infinity and one and the same
    answer to everything are refused without asking.

    `maxSameAnswer` bounds the share of the commonest answer. `maxSaturated` bounds the share of
    answers whose highest score is at least `saturatedAt`. Numbers must lie within `range`.
    """

    max_same_answer: _Share | None = None
    max_saturated: _Share | None = None
    saturated_at: Annotated[float, Field(gt=0.5, le=1)] = 0.9999
    range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> "Sanity":
        if (self.max_same_answer, self.max_saturated, self.range) == (None, None, None):
            raise PydanticCustomError(
                "sanity", "nothing is bounded", {"fix": "write maxSameAnswer, for one"}
            )
        if self.range is not None and self.range[0] >= self.range[1]:
            raise PydanticCustomError(
                "sanity", "range does not rise", {"fix": "write [lowest, highest]"}
            )
        return self


def _bounds(bounds: Bounds) -> Iterator[tuple[MetricName, Bound]]:
    named: tuple[tuple[MetricName, Bound | None], ...] = (
        ("accuracy", bounds.accuracy),
        ("precision", bounds.precision),
        ("recall", bounds.recall),
        ("f1", bounds.f1),
        ("auroc", bounds.auroc),
        ("logLoss", bounds.log_loss),
        ("calibrationError", bounds.calibration_error),
        ("rmse", bounds.rmse),
        ("mae", bounds.mae),
        ("r2", bounds.r2),
    )
    for name, bound in named:
        if bound is not None:
            yield name, bound


def _unbounded(fix: str) -> PydanticCustomError:
    return PydanticCustomError("bound", "nothing is bounded", {"fix": fix})
