"""Triton's GRPCInferenceService: inference, with tensors as bytes or as typed contents."""

import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np

from registry import errors
from runtime.backends.protocol import Array, objects
from runtime.inference.asked import Asked
from runtime.observing import current
from runtime.protocols import datatypes, labels, open_inference_answer, open_inference_shape
from runtime.protocols.grpc import infer_answer, messages
from runtime.protocols.grpc.models import found
from runtime.protocols.grpc.terms import Context, http_status
from runtime.protocols.open_inference_plan import Part, Plan, Plans, Wanted
from runtime.table import Slot

_REQUEST = messages.of("inference.ModelInferRequest")
_STREAMED = messages.of("inference.ModelStreamInferResponse")
_ANSWERED = _STREAMED.DESCRIPTOR.fields_by_name["infer_response"].number


class Inference:
    """Keeps a plan of each version that was asked."""

    def __init__(self) -> None:
        self._plans = Plans()
        self._heads = infer_answer.Heads()

    async def infer(self, context: Context, data: bytes) -> bytes:
        return await self._inferred(context, messages.read(_REQUEST, data))

    async def streamed(
        self, context: Context, requests: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """An answer to each request of a stream, in their order."""
        async for data in requests:
            current.begin(context.call.headers)
            left = replace(context, seconds=context.call.seconds())
            yield await self._of_stream(left, data)

    async def _of_stream(self, context: Context, data: bytes) -> bytes:
        """An error is an answer too, and ends nothing."""
        made = _STREAMED()
        try:
            request = messages.read(_REQUEST, data)
            made.infer_response.id = request.id
            found = await self._inferred(context, request)
        except errors.PlimsollError as error:
            made.error_message = error.detail
            return bytes(made.SerializeToString())
        return b"".join(infer_answer.length_delimited(_ANSWERED, found))

    async def _inferred(self, context: Context, request: Any) -> bytes:
        slot = found(context, request.model_name, request.model_version)
        started, answered = time.perf_counter(), context.serving.metrics.answered
        current.named(request.id)
        try:
            made = await self._run(context, slot, request)
        except errors.PlimsollError as error:
            seconds = time.perf_counter() - started
            answered(slot.pin, status=http_status(error), seconds=seconds)
            raise
        answered(slot.pin, status=200, seconds=time.perf_counter() - started)
        return made

    async def _run(self, context: Context, slot: Slot, request: Any) -> bytes:
        plan = self._plans.of(slot)
        wanted = _wanted(plan, request.outputs)
        outputs = tuple(one.part.tensor.name for one in wanted) if request.outputs else ()
        timeout = _whole(request.parameters, "timeout", "the request") / 1e6 or None
        if context.seconds is not None:
            timeout = min(timeout or context.seconds, context.seconds)
        priority = _whole(request.parameters, "priority", "the request")
        inputs = _inputs(plan, request, limit=context.serving.limits.body_bytes)
        outcome = await context.serving.infer(
            slot, Asked(plan.call, inputs, outputs, priority, timeout)
        )
        names = labels.of(slot) if any(one.classes for one in wanted) else ()
        is_raw = bool(request.raw_input_contents) or not _is_typed(wanted)
        given = []
        for one in wanted:
            value, datatype = outcome.outputs[one.part.tensor.name], one.part.datatype
            if one.classes:
                value, datatype = open_inference_answer.classified(value, one, names), "BYTES"
            given.append((one.part.tensor.name, datatype, value))
        answer = self._heads.raw if is_raw else infer_answer.typed
        return answer(plan.model, plan.version, request.id, given)


def _inputs(plan: Plan, request: Any, *, limit: int) -> dict[str, Array]:
    raw, given = request.raw_input_contents, request.inputs
    if raw and len(raw) != len(given):
        raise errors.InvalidInput(
            f"expected {len(given)} raw_input_contents, one for each input, got {len(raw)}"
        )
    inputs: dict[str, Array] = {}
    for position, item in enumerate(given):
        part = plan.inputs.get(item.name)
        if part is None:
            raise errors.InvalidInput(
                f"unexpected inference input '{item.name[:200]}' for model '{plan.model}'"
            )
        if item.name in inputs:
            raise errors.InvalidInput(f"input '{item.name}' already exists in request")
        shape = _shape(plan, part, item)
        if raw and item.HasField("contents"):
            raise errors.InvalidInput(
                f"contents field must not be specified when using raw_input_contents for "
                f"'{item.name}' for model '{plan.model}'"
            )
        inputs[item.name] = (
            _raw(part, shape, raw[position]) if raw else _typed(part, shape, item, limit=limit)
        )
    if len(inputs) != len(plan.inputs):
        missing = next(name for name in plan.inputs if name not in inputs)
        raise errors.InvalidInput(
            f"expected {len(plan.inputs)} inputs but got {len(inputs)} inputs for model "
            f"'{plan.model}': input '{missing}' is missing"
        )
    return inputs


def _shape(plan: Plan, part: Part, item: Any) -> tuple[int, ...]:
    if item.datatype != part.datatype:
        raise errors.InvalidInput(
            f"inference input '{item.name}' data-type is '{item.datatype[:80]}', but model "
            f"'{plan.model}' expects '{part.datatype}'"
        )
    if "shared_memory_region" in item.parameters:
        raise errors.InvalidInput(f"input '{item.name}' is in shared memory, not offered here")
    return open_inference_shape.checked(plan, part, tuple(item.shape))


def _raw(part: Part, shape: tuple[int, ...], data: bytes) -> Array:
    name = part.tensor.name
    if part.is_string:
        return datatypes.strings(memoryview(data), shape, what=f"input '{name}'")
    wanted = math.prod(shape) * part.dtype.itemsize
    if len(data) != wanted:
        raise errors.InvalidInput(
            f"unexpected total byte size {len(data)} for input '{name}', expecting {wanted}"
        )
    if part.datatype == "BOOL" and data.strip(b"\0\1"):
        raise errors.InvalidInput(f"input '{name}' has a BOOL that is neither 0 nor 1")
    found: Array = np.frombuffer(data, part.dtype)
    return (found if found.flags.aligned else found.copy()).reshape(shape)


def _typed(part: Part, shape: tuple[int, ...], item: Any, *, limit: int) -> Array:
    field = infer_answer.CONTENTS.get(part.datatype)
    if field is None:
        raise errors.InvalidInput(
            f"{part.datatype} of input '{item.name}' has no typed contents: "
            "it must be sent in raw_input_contents"
        )
    strays = [kind.name for kind, _ in item.contents.ListFields() if kind.name != field]
    values, count = getattr(item.contents, field), math.prod(shape)
    # A number may be smaller on the wire than in memory.
    if not part.is_string and count * part.dtype.itemsize > limit:
        raise errors.InvalidInput(f"input '{item.name}' has more than {limit} bytes")
    if strays or len(values) != count:
        raise errors.InvalidInput(
            f"unexpected number of elements {len(values)} in '{field}' for input '{item.name}', "
            f"expecting {count}" + (f", and nothing in '{strays[0]}'" if strays else "")
        )
    if part.is_string:
        return objects(values, shape)
    if part.dtype.kind in "iu" and part.dtype.itemsize < 4:
        limits = np.iinfo(part.dtype.name)
        if count and (min(values) < limits.min or max(values) > limits.max):
            raise errors.InvalidInput(f"input '{item.name}' has a value that is no {part.datatype}")
    return np.fromiter(values, part.dtype, count).reshape(shape)


def _wanted(plan: Plan, given: Any) -> tuple[Wanted, ...]:
    if not given:
        return plan.binary
    found: dict[str, Wanted] = {}
    for item in given:
        what = f"output '{item.name[:200]}'"
        if item.name in found:
            raise errors.InvalidInput(f"{what} already requested")
        if "shared_memory_region" in item.parameters:
            raise errors.InvalidInput(f"{what} is to go to shared memory, not offered here")
        classes = _whole(item.parameters, "classification", what)
        found[item.name] = Wanted(plan.output(item.name), is_binary=True, classes=classes)
    return tuple(found.values())


def _is_typed(wanted: tuple[Wanted, ...]) -> bool:
    """FP16 and BF16 have no typed contents, and raw ones are for all outputs or for none."""
    return all(one.classes or one.part.datatype in infer_answer.CONTENTS for one in wanted)


def _whole(parameters: Any, name: str, what: str) -> int:
    if name not in parameters:
        return 0
    value = parameters[name]
    chosen = value.WhichOneof("parameter_choice")
    found = getattr(value, chosen) if chosen in {"int64_param", "uint64_param"} else -1
    if found < 0:
        raise errors.InvalidInput(f"the parameter '{name}' of {what} is not a whole number")
    return int(found)
