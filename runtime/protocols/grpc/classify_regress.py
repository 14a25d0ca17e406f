"""TensorFlow Serving's Classify, Regress and MultiInference over gRPC.

Examples come serialised. A model that parses them gets them as they came; of any other they are
parsed here, and its inputs are made of their features.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from registry import errors
from runtime.inference.asked import Asked
from runtime.protocols import classify_regress, labels
from runtime.protocols.classify_regress import Plan, Task
from runtime.protocols.examples import Example, Feature
from runtime.protocols.grpc import messages, prediction
from runtime.protocols.grpc.terms import Context, code, http_status
from runtime.table import Slot

_CLASSIFY = messages.of("tensorflow.serving.ClassificationRequest")
_CLASSIFIED = messages.of("tensorflow.serving.ClassificationResponse")
_REGRESS = messages.of("tensorflow.serving.RegressionRequest")
_REGRESSED = messages.of("tensorflow.serving.RegressionResponse")
_MULTI = messages.of("tensorflow.serving.MultiInferenceRequest")
_MULTI_DONE = messages.of("tensorflow.serving.MultiInferenceResponse")
_EXAMPLE = messages.of("tensorflow.Example")
_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


async def classify(context: Context, data: bytes) -> bytes:
    request = messages.read(_CLASSIFY, data)
    return await _one(context, request, Task.CLASSIFY, _CLASSIFIED())


async def regress(context: Context, data: bytes) -> bytes:
    request = messages.read(_REGRESS, data)
    return await _one(context, request, Task.REGRESS, _REGRESSED())


async def multi_inference(context: Context, data: bytes) -> bytes:
    """Several signatures of one model on the same Examples, each run by itself."""
    request = messages.read(_MULTI, data)
    if not request.tasks:
        raise errors.InvalidInput("Missing ModelSpec")
    slot = prediction.found(context, request.tasks[0])

    async def made() -> bytes:
        answer = _MULTI_DONE()
        for plan in tasks(request.tasks, prediction.calls(slot), slot.pin.format):
            result = answer.results.add()
            prediction.answered(result.model_spec, slot, plan.name)
            target = (result.classification_result if plan.task is Task.CLASSIFY
                      else result.regression_result)  # fmt: skip
            await _fill(context, slot, plan, request.input, target, "MultiInference")
        return bytes(answer.SerializeToString())

    return await _counted(context, slot, "MultiInference", made)


def tasks(given: Any, calls: Any, form: str) -> list[Plan]:
    """The plan of each task of a MultiInferenceRequest; raises `InvalidInput`, `Unsupported`."""
    found: list[Plan] = []
    for one in given:
        if not one.model_spec.name:
            raise errors.InvalidInput("Found ModelSpec with an empty model name.")
        if one.model_spec.name != given[0].model_spec.name:
            raise errors.InvalidInput(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        if one.method_name not in set(Task):
            raise errors.Unsupported(f"Unsupported signature method_name: {one.method_name[:200]}")
        plan = classify_regress.planned(
            calls, one.model_spec.signature_name, Task(one.method_name), form=form
        )
        if any(plan.name == other.name for other in found):
            raise errors.InvalidInput(f"Duplicate evaluation of signature: {plan.name}")
        if found and found[0].call.inputs != plan.call.inputs:
            raise errors.InvalidInput("Input tensor must be the same for all Signatures.")
        found.append(plan)
    return found


def asked(plan: Plan, given: Any, *, limit: int) -> tuple[Asked, int]:
    """What a request's `input` asks of a version, and for how many Examples."""
    which = given.WhichOneof("kind")
    items: Sequence[bytes] = getattr(given, which).examples if which else ()
    if not items:
        raise errors.InvalidInput("Input is empty.")
    shared = given.example_list_with_context.context if which != "example_list" else b""
    if plan.packed:
        return plan.of(list(items), context=shared, limit=limit), len(items)
    common = _features(shared)
    rows = [{**common, **_features(item)} for item in items]
    return plan.by_feature(rows, limit=limit), len(items)


async def _one(context: Context, request: Any, task: Task, answer: Any) -> bytes:
    slot = prediction.found(context, request)
    api = "Classify" if task is Task.CLASSIFY else "Regress"

    async def made() -> bytes:
        plan = classify_regress.planned(
            prediction.calls(slot), request.model_spec.signature_name, task, form=slot.pin.format
        )
        prediction.answered(answer.model_spec, slot, plan.name)
        await _fill(context, slot, plan, request.input, answer.result, api)
        return bytes(answer.SerializeToString())

    return await _counted(context, slot, api, made)


async def _fill(
    context: Context, slot: Slot, plan: Plan, given: Any, target: Any, api: str
) -> None:
    serving = context.serving
    found, count = asked(plan, given, limit=serving.limits.body_bytes)
    found = Asked(found.call, found.inputs, found.outputs, timeout_seconds=context.seconds)
    serving.metrics.tensorflow.examples(slot.pin, count)
    outcome = await serving.infer(slot, found)
    serving.metrics.tensorflow.ran(slot.pin, api, outcome.times)
    target.SetInParent()
    if plan.task is Task.REGRESS:
        for value in classify_regress.regressed(plan, outcome.outputs, count).tolist():
            target.regressions.add(value=value)
        return
    names, scores = classify_regress.classified(
        plan, outcome.outputs, count, labels=labels.of(slot)
    )
    for row, some in zip(names, scores.tolist(), strict=True):
        classes = target.classifications.add().classes
        for name, score in zip(row, some, strict=True):
            classes.add(label=name.decode(errors="replace"), score=score)


async def _counted(
    context: Context, slot: Slot, api: str, made: Callable[[], Awaitable[bytes]]
) -> bytes:
    started, status, said = time.perf_counter(), 200, "OK"
    try:
        return await made()
    except errors.PlimsollError as error:
        status, said = http_status(error), code(error)
        raise
    finally:
        context.serving.metrics.predicted(
            slot.pin, status=status, code=said, seconds=time.perf_counter() - started, api=api,
            entrypoint="GRPC",
        )  # fmt: skip


def _features(data: bytes) -> Example:
    return {
        name: _feature(one, one.WhichOneof("kind"))
        for name, one in messages.read(_EXAMPLE, data).features.feature.items()
    }


def _feature(one: Any, which: str | None) -> Feature:
    return Feature(_KINDS[which], list(getattr(one, which).value)) if which else Feature("", ())
