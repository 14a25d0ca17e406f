"""TensorFlow Serving's PredictionService and ModelService, in its codes and its words.

Which version runs is declared in Git, so a request to reload another configuration is refused.
"""

import time
from collections.abc import Mapping
from typing import Any

from registry import errors
from runtime.backends.protocol import DEFAULT_CALL, Array, Call
from runtime.inference.asked import Asked
from runtime.protocols import column_vectors
from runtime.protocols.grpc import messages, tensor_proto
from runtime.protocols.grpc.terms import Context, code, http_status
from runtime.refusals import NoSuchSignature
from runtime.table import Slot, State

_PREDICT = messages.of("tensorflow.serving.PredictRequest")
_PREDICTED = messages.of("tensorflow.serving.PredictResponse")
_METADATA = messages.of("tensorflow.serving.GetModelMetadataRequest")
_DESCRIBED = messages.of("tensorflow.serving.GetModelMetadataResponse")
_SIGNATURES = messages.of("tensorflow.serving.SignatureDefMap")
_STATUS = messages.of("tensorflow.serving.GetModelStatusRequest")
_STATUSES = messages.of("tensorflow.serving.GetModelStatusResponse")
_STATES = {State.LOADING: 20, State.AVAILABLE: 30, State.REFUSED: 50, State.END: 50}
_FAILED_PRECONDITION = 9


async def predict(context: Context, data: bytes) -> bytes:
    request = messages.read(_PREDICT, data)
    slot = found(context, request)
    started = time.perf_counter()
    try:
        made = await _predicted(context, slot, request)
    except errors.PlimsollError as error:
        _count(context, slot, started, http_status(error), code(error))
        raise
    _count(context, slot, started, 200, "OK")
    return made


async def _predicted(context: Context, slot: Slot, request: Any) -> bytes:
    signature = request.model_spec.signature_name or DEFAULT_CALL
    call = called(slot, signature)
    given = inputs(request.inputs, call, limit=context.serving.limits.body_bytes)
    wanted = outputs(request.output_filter, call)
    has_vectors = column_vectors.are_given(given, call.signature.inputs)
    if has_vectors:
        given = column_vectors.widened(given, call.signature.inputs)
    outcome = await context.serving.infer(
        slot, Asked(signature, given, wanted, timeout_seconds=context.seconds)
    )
    context.serving.metrics.tensorflow.ran(slot.pin, "Predict", outcome.times)
    answers = column_vectors.narrowed(outcome.outputs) if has_vectors else outcome.outputs
    made = _PREDICTED()
    answered(made.model_spec, slot, signature)
    for tensor in call.signature.outputs:
        if tensor.name in answers:
            value = tensor_proto.proto(answers[tensor.name], tensor.dtype)
            made.outputs[tensor.name].CopyFrom(value)
    return bytes(made.SerializeToString())


def _count(context: Context, slot: Slot, started: float, status: int, said: str) -> None:
    seconds = time.perf_counter() - started
    context.serving.metrics.predicted(
        slot.pin, status=status, code=said, seconds=seconds, entrypoint="GRPC"
    )


async def metadata(context: Context, data: bytes) -> bytes:
    request = messages.read(_METADATA, data)
    require_spec(request)
    if not request.metadata_field:
        raise errors.InvalidInput(
            "GetModelMetadataRequest must specify at least one metadata_field"
        )
    for field in request.metadata_field:
        if field != "signature_def":
            raise errors.InvalidInput(f"Metadata field {field[:80]} is not supported")
    slot = found(context, request)
    made = _DESCRIBED()
    answered(made.model_spec, slot, "")
    signatures = _SIGNATURES()
    for name, call in calls(slot).items():
        _define(signatures.signature_def[name], call)
    described = made.metadata["signature_def"]
    described.type_url = "type.googleapis.com/tensorflow.serving.SignatureDefMap"
    described.value = signatures.SerializeToString()
    return bytes(made.SerializeToString())


async def status(context: Context, data: bytes) -> bytes:
    request = messages.read(_STATUS, data)
    require_spec(request)
    model, version, label = _named(request.model_spec)
    if label is not None:
        slots = [found(context, request)]
    else:
        slots = context.serving.table.versions(model)
        if not slots:
            raise errors.NotFound(f"Could not find any versions of model {model}")
        slots = [slot for slot in slots if version in (None, slot.pin.version)]
        if not slots:
            raise errors.NotFound(f"Could not find version {version} of model {model}")
    made = _STATUSES()
    for slot in slots:
        one = made.model_version_status.add(version=slot.pin.version, state=_STATES[slot.state])
        # TensorFlow Serving has no word for refused: it is the END of a version that failed.
        is_refused = slot.state is State.REFUSED
        one.status.error_code = _FAILED_PRECONDITION if is_refused else 0
        one.status.error_message = slot.reason if is_refused else ""
    return bytes(made.SerializeToString())


async def reload(context: Context, data: bytes) -> bytes:
    raise errors.Forbidden("what is served here is declared in Git: no client reloads it")


def found(context: Context, request: Any) -> Slot:
    """The version that a request names; raises what TensorFlow Serving says."""
    require_spec(request)
    model, version, label = _named(request.model_spec)
    try:
        return context.serving.find(model, version, label, preview=context.preview)
    except errors.NotFound as error:
        wanted = f"Latest({model})" if version is None else f"Specific({model}, {version})"
        raise errors.NotFound(f"Servable not found for request: {wanted}") from error
    except errors.InvalidInput as error:
        raise errors.InvalidInput(f"Unrecognized servable version label: {label}") from error


def calls(slot: Slot) -> dict[str, Call]:
    if slot.backend is None:
        raise errors.Unavailable(f"{slot.pin.model}@{slot.pin.version} was unloaded")
    return dict(slot.backend.calls)


def called(slot: Slot, signature: str) -> Call:
    return named(calls(slot), signature)


def named(known: Mapping[str, Call], signature: str) -> Call:
    """Raises `NoSuchSignature`."""
    call = known.get(signature)
    if call is None:
        raise NoSuchSignature(f'Serving signature key "{signature[:200]}" not found.')
    return call


def answered(spec: Any, slot: Slot, signature: str) -> None:
    """Say in an answer which version it is from."""
    spec.name = slot.pin.model
    spec.version.value = slot.pin.version
    spec.signature_name = signature


def require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise errors.InvalidInput("Missing ModelSpec")
    if not request.model_spec.name:
        raise errors.InvalidInput("ModelSpec has no name specified.")


def _named(spec: Any) -> tuple[str, int | None, str | None]:
    match spec.WhichOneof("version_choice"):
        case "version":
            return spec.name, spec.version.value, None
        case "version_label":
            return spec.name, None, spec.version_label
    return spec.name, None, None


def inputs(given: Any, call: Call, *, limit: int) -> dict[str, Array]:
    """The tensors of a PredictRequest; raises `InvalidInput`."""
    tensors = {tensor.name: tensor for tensor in call.signature.inputs}
    if given.keys() != tensors.keys():
        extra, missing = (
            sorted(given.keys() - tensors.keys()),
            sorted(tensors.keys() - given.keys()),
        )
        raise errors.InvalidInput(
            f"input size does not match signature: {len(given)}!={len(tensors)} "
            f"len({{{','.join(sorted(given))}}}) != len({{{','.join(sorted(tensors))}}}). "
            f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
        )
    return {name: tensor_proto.array(given[name], tensor, limit=limit)
            for name, tensor in tensors.items()}  # fmt: skip


def outputs(wanted: Any, call: Call) -> tuple[str, ...]:
    """What its output_filter names; raises `InvalidInput`."""
    known = {tensor.name for tensor in call.signature.outputs}
    for name in wanted:
        if name not in known:
            raise errors.InvalidInput(
                f"output tensor alias not found in signature: {name[:200]} Outputs expected to be "
                f"in the set {{{','.join(sorted(known))}}}."
            )
    if len(set(wanted)) != len(wanted):
        raise errors.InvalidInput("duplicate output tensor alias")
    return tuple(wanted)


def _define(made: Any, call: Call) -> None:
    made.method_name = call.method
    for sides, tensors, nodes in (
        (made.inputs, call.signature.inputs, call.inputs),
        (made.outputs, call.signature.outputs, call.outputs),
    ):
        for tensor, node in zip(tensors, nodes, strict=True):
            one = sides[tensor.name]
            one.name, one.dtype = node, tensor_proto.NUMBERS[tensor.dtype]
            one.tensor_shape.CopyFrom(tensor_proto.shape_proto(tensor.shape))
