"""TensorFlow Serving's REST classify and regress: a body of Examples in, `results` out."""

from typing import Any

from registry import errors
from runtime.protocols import (
    classify_regress,
    examples,
    json_strings,
    json_tensors,
    labels,
    predict_request,
)
from runtime.protocols.classify_regress import Plan, Task
from runtime.serving import Serving
from runtime.table import Slot


async def answered(serving: Serving, slot: Slot, body: bytes, task: Task) -> bytes:
    """The answer's body; raises what `Serving.infer` does, and `InvalidInput` for the rest."""
    document = json_tensors.loads(body)
    name, rows = predict_request.signature_name(document), examples.read(document)
    if slot.backend is None:  # unloaded while the body was on its way
        raise errors.Unavailable(f"{slot.pin.model}@{slot.pin.version} was unloaded")
    plan = classify_regress.planned(slot.backend.calls, name, task, form=slot.pin.format)
    limit = serving.limits.body_bytes
    if plan.packed:
        items = [examples.serialized(row) for row in rows]
        asked = plan.of(items, context=b"", limit=limit)
    else:
        asked = plan.by_feature(rows, limit=limit)
    serving.metrics.tensorflow.examples(slot.pin, len(rows))
    outcome = await serving.infer(slot, asked)
    serving.metrics.tensorflow.ran(slot.pin, api(task), outcome.times)
    return _written(plan, outcome.outputs, len(rows), slot)


def api(task: Task) -> str:
    """Its name in metrics."""
    return "Classify" if task is Task.CLASSIFY else "Regress"


def _written(plan: Plan, outputs: Any, count: int, slot: Slot) -> bytes:
    if plan.task is Task.REGRESS:
        values = classify_regress.regressed(plan, outputs, count)
        return json_tensors.dumps({"results": values}, values)
    names, scores = classify_regress.classified(plan, outputs, count, labels=labels.of(slot))
    results = [
        [[json_strings.plain(name, as_base64=False), score]
         for name, score in zip(row, some, strict=True)]
        for row, some in zip(names, scores, strict=True)
    ]  # fmt: skip
    return json_tensors.dumps({"results": results}, scores)
