"""What an AcceptanceTemplate may ask beyond metrics: budgets, tensors, parity, robustness, a
container of one's own."""

from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from registry.core import strict
from registry.core.strict import Duration, Image, Memory, Name, Strict, duration_seconds

_Milliseconds: TypeAlias = Annotated[float, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Strength: TypeAlias = Annotated[float, Field(gt=0, le=1)]
_Size: TypeAlias = Annotated[int, Field(ge=1)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]
_LEAST_FOR_P99 = 100
_LONGEST_S = 600


class Latency(Strict):
    """How long one request of one sample may take, at percentiles, once `warmUp` were answered.

    `clients` ask at once, each its next request when the last is answered; `requestsPerSecond` is
    how many they must get answered in all.
    """

    p50_milliseconds: _Milliseconds | None = None
    p95_milliseconds: _Milliseconds | None = None
    p99_milliseconds: _Milliseconds | None = None
    requests_per_second: Annotated[float, Field(gt=0)] | None = None
    clients: Annotated[int, Field(ge=1, le=64)] = 1
    requests: Annotated[int, Field(ge=40, le=10_000)] = 200
    warm_up: Annotated[int, Field(ge=0, le=1000)] = 20

    @model_validator(mode="after")
    def _bounds_fit(self) -> "Latency":
        bounds = [self.p50_milliseconds, self.p95_milliseconds, self.p99_milliseconds]
        if not any([*bounds, self.requests_per_second]):
            raise PydanticCustomError(
                "latency", "there is no bound", {"fix": "write p95Milliseconds: 50, or another"}
            )
        if self.p99_milliseconds is not None and self.requests < _LEAST_FOR_P99:
            raise PydanticCustomError(
                "latency",
                "of {requests} requests none is the slowest 1 %",
                {
                    "requests": self.requests,
                    "at": ("requests",),
                    "fix": f"write requests: {_LEAST_FOR_P99} or more",
                },
            )
        found = [bound for bound in bounds if bound is not None]
        if any(one > other for one, other in pairwise(found)):
            raise PydanticCustomError(
                "latency",
                "a higher percentile has a lower bound",
                {"fix": "p50 <= p95 <= p99, since no request counts for one alone"},
            )
        return self


class MemoryBudget(Strict):
    """`peak` is the most that the candidate may hold while all other tests run."""

    peak: Memory

    @property
    def peak_bytes(self) -> int:
        """`peak` in bytes."""
        return strict.memory_bytes(self.peak)


class DeclaredTensor(Strict):
    """`shape` has null for a free dimension; without a shape any is right."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    dtype: Literal[
        "bool", "string", "float16", "bfloat16", "float32", "float64",
        "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    ]  # fmt: skip
    shape: list[int | None] | None = None

    @field_validator("shape")
    @classmethod
    def _sizes(cls, shape: list[int | None] | None) -> list[int | None] | None:
        if any(size is not None and size < 0 for size in shape or []):
            raise PydanticCustomError(
                "shape", "a size is negative", {"fix": "write null for a free dimension"}
            )
        return shape


class TensorSchema(Strict):
    """What clients send and read. With `servingVersion: compatible` whoever speaks with the
    serving version can speak with the candidate; `inputs` and `outputs` promise more."""

    serving_version: Literal["compatible", "ignored"] = "compatible"
    inputs: Annotated[list[DeclaredTensor], Field(min_length=1)] | None = None
    outputs: Annotated[list[DeclaredTensor], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> "TensorSchema":
        if self.serving_version == "ignored" and self.inputs is None and self.outputs is None:
            raise PydanticCustomError(
                "tensor_schema",
                "nothing is compared with anything",
                {"fix": "list inputs or outputs, or leave servingVersion out"},
            )
        return self


class Parity(Strict):
    """The candidate answers as another: `with` is `serving`, or the name of a deployment of the
    same environment, such as one that serves the same model in another format.

    Asked are all golden samples and `seeded` ones, drawn between the lowest and the highest value
    that each feature has in them. A number agrees within `absolute + relative * |other|`.
    """

    other: Annotated[Name, Field(alias="with")]
    absolute: Annotated[float, Field(ge=0)] = 1e-5
    relative: Annotated[float, Field(ge=0)] = 1e-4
    max_different: Share = 0.0
    max_class_changes: Share = 0.0
    seeded: Annotated[int, Field(ge=0, le=10_000)] = 64
    seed: Seed = 0


class Noise(Strict):
    """`gaussian`: a standard deviation of `strength` times the range of values. `saltAndPepper`:
    that share of all values becomes the lowest or the highest of the range."""

    kind: Literal["gaussian", "saltAndPepper"]
    strength: _Strength
    accuracy: Share


class Square(Strict):
    """The black-box Square attack: at most `queries` for each of `samples`, and `accuracy` is what
    must be left. `epsilon` is the norm of what it adds, for `Linf` of each value, for `L2` of all,
    where the range of values is 1 wide. The search begins with `firstShare` of the input."""

    norm: Literal["Linf", "L2"]
    epsilon: Annotated[float, Field(gt=0)]
    accuracy: Share
    queries: Annotated[int, Field(ge=2, le=10_000)] = 500
    samples: Annotated[int, Field(ge=1, le=1000)] = 100
    first_share: _Strength = 0.8


class Robustness(Strict):
    """`range` is the lowest and the highest value that the input may have. `image` is its height,
    width and, where there are several, channels, which come `first` or `last`; without it the
    input is a row of values."""

    range: Annotated[list[float], Field(min_length=2, max_length=2)]
    input: str | None = None
    image: Annotated[list[_Size], Field(min_length=2, max_length=3)] | None = None
    channels: Literal["first", "last"] = "last"
    seed: Seed = 0
    noise: Annotated[list[Noise], Field(max_length=8)] = Field(default_factory=list)
    square: Annotated[list[Square], Field(max_length=4)] = Field(default_factory=list)

    @field_validator("range")
    @classmethod
    def _rises(cls, found: list[float]) -> list[float]:
        if found[0] >= found[1]:
            raise PydanticCustomError(
                "range", "does not rise", {"fix": "write [lowest, highest], such as [0, 255]"}
            )
        return found

    @model_validator(mode="after")
    def _asks_something(self) -> "Robustness":
        if not self.noise and not self.square:
            raise PydanticCustomError(
                "robustness", "neither noise nor square is there", {"fix": "write one of them"}
            )
        return self


class Container(Strict):
    """A test of one's own, as docs/custom-tests.md has its contract. The image must be on the host:
    nothing is pulled."""

    image: Image
    memory: Memory = "256Mi"
    cpus: Annotated[float, Field(gt=0, le=64)] = 1.0
    timeout: Duration = "2m"
    parameters: Annotated[
        dict[Name, str | int | float | bool],
        Field(max_length=32),
    ] = Field(default_factory=dict)

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, timeout: str) -> str:
        if not 1 <= duration_seconds(timeout) <= _LONGEST_S:
            raise PydanticCustomError(
                "timeout", "is not between 1s and 10m", {"fix": "test less, or in several tests"}
            )
        return timeout

    @property
    def timeout_seconds(self) -> int:
        """`timeout` in seconds."""
        return duration_seconds(self.timeout)

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes."""
        return strict.memory_bytes(self.memory)


Check: TypeAlias = Latency | MemoryBudget | TensorSchema | Parity | Robustness | Container


class Trials(Strict):
    """What a template asks of a candidate beyond its metrics; what is left out is not asked."""

    latency: Latency | None = None
    memory: MemoryBudget | None = None
    tensor_schema: TensorSchema | None = None
    parity: Parity | None = None
    robustness: Robustness | None = None
    container: Container | None = None

    @property
    def checks(self) -> tuple[Check, ...]:
        """All that are asked: what costs least comes first, a stranger's test last."""
        found = (
            self.tensor_schema,
            self.latency,
            self.parity,
            self.robustness,
            self.container,
            self.memory,
        )
        return tuple(check for check in found if check is not None)

    @property
    def unasked(self) -> frozenset[str]:
        """Names of checks, as files have them, that are left out."""
        fields = Trials.model_fields
        left_out = (name for name in fields if getattr(self, name) is None)
        return frozenset(str(fields[name].alias) for name in left_out)
