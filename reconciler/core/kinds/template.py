"""AcceptanceTemplate: a test on golden data that a candidate must pass before any traffic."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.kinds.trials import Trials
from registry.core.strict import Digest, Metadata, RepositoryPath, Strict


class TensorFrom(Strict):
    """One input tensor made from columns: by their common `prefix`, or listed in order.

    `name` may be left out where the model has one input. `shape` is one sample's shape.
    """

    name: str | None = None
    prefix: str | None = None
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    dtype: Literal["float32", "float64", "int32", "int64"]
    shape: list[Annotated[int, Field(ge=1)]]

    @model_validator(mode="after")
    def _exactly_one(self) -> "TensorFrom":
        if (self.prefix is None) == (self.columns is None):
            raise PydanticCustomError(
                "columns",
                "name the columns either by prefix or by columns",
                {"fix": "write prefix: p, or columns: [age, height], not both"},
            )
        return self


class Dataset(Strict):
    """Golden data: a CSV file of this repository with a header line, pinned by its sha256."""

    path: RepositoryPath
    digest: Digest
    label: str
    inputs: Annotated[list[TensorFrom], Field(min_length=1)]


class Accuracy(Strict):
    """`min` is a share of 1; `maxDrop` the most it may fall below the serving version."""

    min: Annotated[float, Field(ge=0, le=1)]
    max_drop: Annotated[float, Field(ge=0, le=1)] | None = None


class Latency(Strict):
    """Milliseconds for one request of one sample."""

    p95_milliseconds: Annotated[float, Field(gt=0)]


class Metrics(Strict):
    """What is measured, and the bounds it must keep."""

    accuracy: Accuracy
    latency: Latency | None = None


class AcceptanceSpec(Trials):
    """`output` names the tensor with the answer; it may be left out where there is one."""

    dataset: Dataset
    output: str | None = None
    metrics: Metrics
    minimum_samples: Annotated[int, Field(ge=1)]


class AcceptanceTemplate(Strict):
    """A test that candidates must pass: models.d/templates/<name>.yaml."""

    folder: ClassVar[str] = "models.d/templates"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["AcceptanceTemplate"]
    metadata: Metadata
    spec: AcceptanceSpec
