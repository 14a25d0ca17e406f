"""Where the numbers of an analysis come from: the providers that a metric may name.

Addresses are only those that the reconciler's own configuration allows, and secrets are never
here: docs/analysis.md.
"""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from reconciler.core.kinds.online import Drift, Labels
from registry.core.strict import Strict, Url

_Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
_Query: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


def _is_pointer(text: str) -> str:
    if text and not text.startswith("/"):
        raise PydanticCustomError(
            "pointer",
            "is no JSON pointer",
            {"fix": "write /data/value, or nothing for the whole answer"},
        )
    return text


_Pointer: TypeAlias = Annotated[str, StringConstraints(max_length=512), AfterValidator(_is_pointer)]
_NO_PLACE = re.compile(r"https?://[^/?#{}\s]+([/?][^#\s]*)?", re.IGNORECASE)


class Prometheus(Strict):
    """An instant query. A vector is a list of numbers to the conditions, a scalar one number.

    `samples` is another query, for how many observations the result stands on.
    """

    address: Url
    query: _Query
    samples: _Query | None = None


class RuntimeNumbers(Strict):
    """What the instances count themselves, since the last measurement that was judged.

    `errorRate` is the share of answers with status 500 and more, `rejectionRate` of those with 400
    to 499; `latencySeconds` is at `quantile`, `requests` a number. `result` is the candidate's;
    conditions may name `candidate` and `stable` too.
    """

    measure: Literal["errorRate", "rejectionRate", "latencySeconds", "requests"]
    quantile: _Share | None = None

    @model_validator(mode="after")
    def _quantile_of_latency(self) -> "RuntimeNumbers":
        if (self.quantile is not None) != (self.measure == "latencySeconds"):
            raise PydanticCustomError(
                "quantile",
                "latencySeconds is measured at a quantile, and nothing else is",
                {"fix": "write {measure: latencySeconds, quantile: 0.99}"},
            )
        return self


class Http(Strict):
    """One request that is answered with JSON; `jsonPointer` (RFC 6901) leads to the value.

    Another status than `expectedStatus` is an error, not a failure.
    """

    url: Url
    method: Literal["GET", "POST"] = "GET"
    body: dict[str, JsonValue] | None = None
    expected_status: Annotated[int, Field(ge=100, le=599)] = 200
    json_pointer: _Pointer = ""
    samples_pointer: _Pointer | None = None

    @model_validator(mode="after")
    def _body_is_posted(self) -> "Http":
        if self.body is not None and self.method == "GET":
            raise PydanticCustomError(
                "body", "a GET has no body", {"at": ("body",), "fix": "add method: POST"}
            )
        return self

    @field_validator("url")
    @classmethod
    def _fixed_origin(cls, url: str) -> str:
        if not _NO_PLACE.fullmatch(url):
            raise PydanticCustomError(
                "url",
                "the address must be written out, up to its path",
                {"fix": "put arguments into the path or the query only"},
            )
        return url


class Comparison(Strict):
    """Stable's and candidate's answers to the same requests, pair by pair: for mirrored traffic.

    `agreement` is the share of pairs that are equal (numbers within `tolerance`), `sameTop` of
    those whose highest score is in the same place, `meanDifference` and `maxDifference` are of the
    numbers. `output` names the tensor; all of them if left out.
    """

    measure: Literal["agreement", "sameTop", "meanDifference", "maxDifference"]
    output: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    tolerance: Annotated[float, Field(ge=0)] = 0.0


class Sequential(Strict):
    """Whether the candidate's rate is above stable's, by a test that may be looked at at any time.

    `result` is a p-value over all that came since the analysis began: below 0.01 is a false alarm
    in one of a hundred rollouts at most, however often it is measured.
    """

    measure: Literal["errorRate", "rejectionRate"]


class Provider(Strict):
    """Exactly one."""

    prometheus: Prometheus | None = None
    runtime: RuntimeNumbers | None = None
    http: Http | None = None
    comparison: Comparison | None = None
    sequential: Sequential | None = None
    drift: Drift | None = None
    labels: Labels | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Provider":
        given = [name for name, value in self if value is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "provider",
                "is not exactly one of {known}",
                {
                    "known": ", ".join(type(self).model_fields),
                    "fix": "write one, such as runtime: {measure: errorRate}",
                },
            )
        return self

    @property
    def one(
        self,
    ) -> Prometheus | RuntimeNumbers | Http | Comparison | Sequential | Drift | Labels:
        """The one that is given."""
        found = (
            self.prometheus or self.runtime or self.http or self.comparison or self.sequential
            or self.drift or self.labels
        )  # fmt: skip
        assert found is not None  # noqa: S101  as validated
        return found

    @property
    def counts_samples(self) -> bool:
        """Whether a measurement says on how many observations it stands."""
        match self.one:
            case Prometheus(samples=samples):
                return samples is not None
            case Http(samples_pointer=pointer):
                return pointer is not None
            case RuntimeNumbers() | Comparison() | Sequential() | Drift() | Labels():
                return True
