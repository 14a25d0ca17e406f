"""Providers for what traffic itself tells: how far it is from a reference, and whether answers
were right: docs/drift.md."""

from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from registry.core.strict import Digest, Strict

Tensor: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256)]
_Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]
_MOST_BINS = 256


class Reference(Strict):
    """How a reference is distributed: numbers by `edges` and the `counts` between and beyond them
    (one more than edges), or `categories` with the count of each. `dataset` is the digest of what
    it was made from, for people."""

    edges: Annotated[list[float], Field(min_length=1, max_length=_MOST_BINS - 1)] | None = None
    counts: Annotated[list[_Count], Field(max_length=_MOST_BINS)] | None = None
    categories: (
        dict[Annotated[str, StringConstraints(min_length=1, max_length=256)], _Count] | None
    ) = None
    dataset: Digest | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Reference":
        if (self.edges is None) == (self.categories is None) or (
            (self.edges is None) != (self.counts is None)
        ):
            fix = "let `plimsoll reference` make it from a CSV file"
            raise _wrong((), "it is neither edges with counts nor categories", fix)
        if self.edges is not None and len(self.bins) != len(self.edges) + 1:
            said = f"{len(self.bins)} counts for {len(self.edges)} edges"
            raise _wrong(("counts",), said, "write one count more than edges")
        if self.edges is not None and any(a >= b for a, b in pairwise(self.edges)):
            raise _wrong(
                ("edges",), "the edges are not ascending", "write each edge once, lowest first"
            )
        if len(self.bins) > _MOST_BINS:
            raise _wrong(("categories",), f"{len(self.bins)} categories", "name 256 at most")
        if not sum(self.bins):
            raise _wrong((), "counts nothing", "make it from data")
        return self

    @property
    def bins(self) -> list[int]:
        """The counts, in order."""
        return list((self.categories or {}).values()) or list(self.counts or [])


class Drift(Strict):
    """How far one input or output of the traffic is from `reference`.

    `feature` names an input, `prediction` an output; `column` the place of the value in its row,
    and without it the row's mean counts, or with categories the place of its highest. `result` is
    the index for psi and a p-value for ks and chi2; conditions may name `candidate` and `stable`:
    how far each of them is.
    """

    feature: Tensor | None = None
    prediction: Tensor | None = None
    column: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    test: Literal["psi", "ks", "chi2"]
    reference: Reference

    @model_validator(mode="after")
    def _one_side(self) -> "Drift":
        if (self.feature is None) == (self.prediction is None):
            fix = "write feature: and an input's name, or prediction: and an output's"
            raise _wrong((), "it is not of exactly one of feature and prediction", fix)
        if self.test == "ks" and self.reference.categories is not None:
            fix = "write test: chi2, or a reference with edges"
            raise _wrong(("test",), "ks is for numbers, and categories have no order", fix)
        return self


class Labels(Strict):
    """How right the answers in `output` were, by the labels posted for them since the last
    measurement that was judged.

    `accuracy` and `errorRate` are shares of classes (integers, texts, the place of the highest
    score); `meanAbsoluteError` and `rootMeanSquaredError` are of numbers.
    """

    metric: Literal["accuracy", "errorRate", "meanAbsoluteError", "rootMeanSquaredError"]
    output: Tensor


def _wrong(at: tuple[str, ...], message: str, fix: str) -> PydanticCustomError:
    told = {"said": message, "fix": fix}
    return PydanticCustomError("online", "{said}", {**told, "at": at} if at else told)
