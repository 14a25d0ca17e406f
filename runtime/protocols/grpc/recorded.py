"""A PredictionLog, as TensorFlow Serving records them for its warm-up: what it asks of a version.

Names and versions of models in it are not looked at, as they are not there: a file is of the
version that it lies in.
"""

from collections.abc import Mapping
from typing import Any

from registry import errors
from runtime.backends.protocol import DEFAULT_CALL, Call
from runtime.inference.asked import Asked
from runtime.protocols import classify_regress, column_vectors
from runtime.protocols.classify_regress import Task
from runtime.protocols.grpc import classify_regress as examples
from runtime.protocols.grpc import messages, prediction

_LOG = messages.of("tensorflow.serving.PredictionLog")


def asked(record: bytes, calls: Mapping[str, Call], *, form: str, limit: int) -> tuple[Asked, ...]:
    """One inference, or one for each task; none for a record of no kind. Raises what a request
    would."""
    log = messages.read(_LOG, record)
    match log.WhichOneof("log_type"):
        case "predict_log":
            return (_predict(log.predict_log.request, calls, limit),)
        case "classify_log":
            plan = _planned(log.classify_log.request, calls, Task.CLASSIFY, form)
            return (examples.asked(plan, log.classify_log.request.input, limit=limit)[0],)
        case "regress_log":
            plan = _planned(log.regress_log.request, calls, Task.REGRESS, form)
            return (examples.asked(plan, log.regress_log.request.input, limit=limit)[0],)
        case "multi_inference_log":
            request = log.multi_inference_log.request
            plans = examples.tasks(request.tasks, calls, form)
            return tuple(examples.asked(plan, request.input, limit=limit)[0] for plan in plans)
        case None:
            return ()
        case other:
            raise errors.Unsupported(f"Unsupported log_type for warmup: {other}")


def _planned(
    request: Any, calls: Mapping[str, Call], task: Task, form: str
) -> classify_regress.Plan:
    name = request.model_spec.signature_name
    return classify_regress.planned(calls, name, task, form=form)


def _predict(request: Any, calls: Mapping[str, Call], limit: int) -> Asked:
    name = request.model_spec.signature_name or DEFAULT_CALL
    call = prediction.named(calls, name)
    inputs = prediction.inputs(request.inputs, call, limit=limit)
    if column_vectors.are_given(inputs, call.signature.inputs):
        inputs = column_vectors.widened(inputs, call.signature.inputs)
    outputs = prediction.outputs(request.output_filter, call)
    return Asked(name, inputs, outputs)
