"""What a runtime is told beside its model: dialects, limits, what it keeps of inferences.

What passes here the runtime takes too: its own file has these fields under the same names.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.core.kinds.tuning import Tuned
from registry.core.canonical import Json
from registry.core.strict import Strict, Url

_Rate: TypeAlias = Annotated[float, Field(ge=0, le=1)]
_Some: TypeAlias = Annotated[int, Field(ge=1, le=2**31 - 1)]
_Bytes: TypeAlias = Annotated[int, Field(ge=1, le=2**40)]
_Kept: TypeAlias = Annotated[int, Field(ge=0, le=65_536)]


class RequestLog(Strict):
    """`rate` of all requests as CloudEvents in `file`, such as /var/lib/plimsoll/requests.jsonl,
    on the host's cache volume. Text of the tensors in `strings` alone is written down."""

    file: Annotated[str, Field(pattern="^/[^\x00]*$")]
    rate: _Rate
    max_bytes: Annotated[int, Field(ge=65_536, le=2**40)] | None = None
    strings: list[str] = Field(default_factory=list)


class Traces(Strict):
    """Spans go to the collector at `endpoint`; `rate` of the requests that have no trace yet."""

    endpoint: Url
    rate: _Rate = 0.0


class Observing(Strict):
    """What is kept of inferences: docs/runtime/observing.md."""

    sketches_per_second: _Kept | None = None
    recent: _Kept | None = None
    request_log: RequestLog | None = None
    traces: Traces | None = None


class RuntimeLimits(Strict):
    """How much the runtime takes on: docs/runtime/http.md. Memory is in `resources`."""

    body_bytes: _Bytes | None = None
    bodies_bytes: _Bytes | None = None
    deadline_seconds: _Some | None = None
    queue: _Some | None = None
    connections: _Some | None = None
    keep_alive_seconds: _Some | None = None
    keep_versions: _Some | None = None
    pull_connections: Annotated[int, Field(ge=1, le=64)] | None = None


class Told(Tuned):
    """Without `kserveV1` the paths below /v1/ are TensorFlow Serving's alone. With `grpc` clients
    reach the model on the host's `ingress.grpcPort` too."""

    kserve_v1: bool = Field(default=True, alias="kserveV1")
    grpc: Literal[True] | None = None
    observing: Observing | None = None
    limits: RuntimeLimits | None = None

    @property
    def process(self) -> dict[str, Json]:
        """What is declared of these."""
        return self.model_dump(
            include={"kserve_v1", "grpc", "observing", "limits"},
            by_alias=True,
            exclude_none=True,
            exclude_defaults=True,
        )
