"""A model that gives back what it gets, and the little of a runtime that the gRPC methods use."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from registry import errors
from registry.core.tensors import Signature, Tensor
from runtime.backends.protocol import Call
from runtime.config import Pin
from runtime.inference.asked import Asked, Outcome, Times
from runtime.limits import Limits
from runtime.metrics import Metrics
from runtime.protocols.grpc import messages
from runtime.table import Slot, State, Table
from runtime.tuning import DEFAULT_TUNING, Tuning

REQUEST = messages.of("inference.ModelInferRequest")
RESPONSE = messages.of("inference.ModelInferResponse")
STREAMED = messages.of("inference.ModelStreamInferResponse")
PREDICT_REQUEST = messages.of("tensorflow.serving.PredictRequest")
PREDICTED = messages.of("tensorflow.serving.PredictResponse")
Act = Callable[[Asked], Awaitable[Outcome]]


class Echo:
    """A model that gives its input `x` back as `y`."""

    trouble = ""

    def __init__(self, dtype: str) -> None:
        x, y = (Tensor(name, dtype, (None, 2)) for name in "xy")
        call = Call(Signature((x,), (y,)), "predict", ("x",), ("y",))
        self.calls = {"serving_default": call}


class Doorkeeper:
    """Knows one token; what was changed is in `changes`."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str]] = []

    async def may_preview(self, authorization: bytes) -> bool:
        return authorization == b"Bearer key"

    async def change(self, authorization: bytes, act: str, model: str) -> None:
        if authorization != b"Bearer key":
            raise errors.Unauthenticated("a wrong token")
        self.changes.append((act, model))


async def echoed(asked: Asked) -> Outcome:
    return Outcome({"y": asked.inputs["x"]}, Times(0, 0, 0, 0))


def serving(act: Act = echoed, dtype: str = "float32", tuning: Tuning = DEFAULT_TUNING) -> Any:
    slot = Slot(Pin("m", 1, "sha256:0", "onnx", active=True, tuning=tuning), State.AVAILABLE)
    slot.backend = Echo(dtype)  # type: ignore[assignment]
    table = Table()
    table.put(slot)
    table.activate("m", 1)
    return SimpleNamespace(
        table=table, find=table.find, limits=Limits(body_bytes=4096), metrics=Metrics(table),
        infer=lambda _, asked: act(asked), is_ready=lambda: True, is_draining=False,
    )  # fmt: skip
