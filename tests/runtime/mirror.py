"""A model that gives back what it gets, and the protocol's requests to it, without a server."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, settings

from registry.core.tensors import Signature, Tensor
from registry.errors import InvalidInput
from runtime.backends.protocol import DEFAULT_CALL, Array, Arrays, Call
from runtime.config import Pin
from runtime.protocols import open_inference_request
from runtime.protocols.open_inference_plan import Plan, Plans
from runtime.table import Slot

# A busy machine is slow, and that is no fault of what is tested.
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
Shape = tuple[int | None, ...]


class Mirror:
    """Gives back what it gets, under other names."""

    trouble = ""

    def __init__(self, *tensors: Tensor) -> None:
        outputs = tuple(Tensor(f"{one.name}_out", one.dtype, one.shape) for one in tensors)
        signature = Signature(tensors, outputs)
        names = (tuple(one.name for one in side) for side in (tensors, outputs))
        call = Call(signature, "predict", *names)
        self.calls: Mapping[str, Call] = {DEFAULT_CALL: call}

    def run(self, call: str, inputs: Arrays) -> dict[str, Array]:
        return {f"{name}_out": value for name, value in inputs.items()}

    def close(self) -> None:
        pass


def plan_of(*tensors: Tensor) -> tuple[Plan, Slot]:
    slot = Slot(Pin("mirror", 1, "sha256:" + "0" * 64, "onnx", active=True))
    slot.backend = Mirror(*tensors)
    return Plans().of(slot), slot


def tensor(dtype: str, shape: Shape | None = (None, None)) -> Tensor:
    return Tensor("x", dtype, shape)


def asked(plan: Plan, document: object, tail: bytes = b"") -> Arrays:
    head = document if isinstance(document, bytes) else orjson.dumps(document)
    layout = open_inference_request.layout(plan, head)
    return open_inference_request.asked(plan, layout, head + tail, len(head)).inputs


def refusal(plan: Plan, document: object, tail: bytes = b"") -> str:
    with pytest.raises(InvalidInput) as refused:
        asked(plan, document, tail)
    return refused.value.detail


def request(datatype: str, shape: object, **more: object) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": shape, **more}]}


def binary(datatype: str, shape: object, size: object) -> dict[str, Any]:
    return request(datatype, shape, parameters={"binary_data_size": size})
