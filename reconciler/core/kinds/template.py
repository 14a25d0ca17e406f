"""AcceptanceTemplate: a test on golden data that a candidate must pass before any traffic."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from reconciler.core.kinds.measures import (
    CLASSES,
    Bounds,
    Fairness,
    Grown,
    Metrics,
    Sanity,
    Slice,
)
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


class Dataset(Grown):
    """Golden data, pinned by its sha256: a file of this repository, or an `artifact`, which is the
    repository of the registry that it was pushed to.

    Columns are those of a CSV file with a header line or of a Parquet file, or the arrays of an
    npz file. Without a `format` that is what the path ends with.
    """

    later = frozenset({"artifact", "format"})
    path: RepositoryPath | None = None
    artifact: Annotated[RepositoryPath, Field(max_length=255)] | None = None
    digest: Digest
    format: Literal["csv", "npz", "parquet"] | None = None
    label: str
    inputs: Annotated[list[TensorFrom], Field(min_length=1)]

    @model_validator(mode="after")
    def _somewhere(self) -> "Dataset":
        if (self.path is None) == (self.artifact is None):
            raise PydanticCustomError(
                "dataset",
                "golden data lies either at a path or in an artifact",
                {"fix": "write path: models.d/datasets/x.csv, or artifact: datasets/x"},
            )
        if self.artifact is not None and self.format is None:
            raise PydanticCustomError(
                "dataset",
                "an artifact does not tell its format",
                {"fix": "write format: csv, npz or parquet"},
            )
        return self

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return self.path or f"{self.artifact}@{self.digest}"

    @property
    def read_as(self) -> Literal["csv", "npz", "parquet"]:
        """The format that is written or, for a path, what it ends with; else CSV."""
        if self.format is not None:
            return self.format
        ending = self.place.rpartition(".")[2]
        return "npz" if ending == "npz" else "parquet" if ending == "parquet" else "csv"


class AcceptanceSpec(Trials, Grown):
    """`output` names the tensor with the answer; it may be left out where there is one."""

    later = frozenset({"slices", "fairness", "sanity"})
    dataset: Dataset
    output: str | None = None
    metrics: Metrics
    slices: Annotated[list[Slice], Field(max_length=64)] = Field(default_factory=list)
    fairness: Annotated[list[Fairness], Field(max_length=16)] = Field(default_factory=list)
    sanity: Sanity | None = None
    minimum_samples: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _slices_are_there(self) -> "AcceptanceSpec":
        names = [one.name for one in self.slices]
        for name in names:
            if names.count(name) > 1:
                raise _wrong(f"there are two slices {name}", "give each a name of its own")
        for one in self.fairness:
            for name in one.between:
                if name not in names:
                    raise _wrong(
                        f"fairness is asked between slices, none of which is {name}",
                        "add it to spec.slices",
                    )
        return self

    @property
    def asks_classes(self) -> bool:
        """Whether the right answers are classes; else they are numbers."""
        bounds: list[Bounds] = [self.metrics, *(one.metrics for one in self.slices)]
        names = {name for one in bounds for name, _ in one.asked}
        names |= {one.metric for one in self.fairness}
        return not names or not names.isdisjoint(CLASSES)


def _wrong(said: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError("slices", "{said}", {"said": said, "fix": fix})


class AcceptanceTemplate(Strict):
    """A test that candidates must pass: models.d/templates/<name>.yaml."""

    folder: ClassVar[str] = "models.d/templates"
    api_version: Literal["plimsoll.dev/v1"]
    kind: Literal["AcceptanceTemplate"]
    metadata: Metadata
    spec: AcceptanceSpec
