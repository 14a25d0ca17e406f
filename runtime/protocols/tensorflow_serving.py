"""TensorFlow Serving's REST dialect on /v1/: inference, status, metadata. KServe's V1 shares it.

Paths, bodies, error texts and codes are those of http_rest_api_handler.cc; so is the habit of
not looking at the Content-Type, which its best-known client (`curl -d`) sets wrong.
"""

import re
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from registry import errors
from runtime.backends.protocol import Arrays, Call, Offered
from runtime.inference.asked import Asked
from runtime.protocols import (
    column_vectors,
    encoding,
    http,
    json_tensors,
    kserve_v1,
    predict_request,
    tensorflow_serving_examples,
)
from runtime.protocols.classify_regress import Task
from runtime.protocols.http import Answer, Request
from runtime.serving import Serving
from runtime.table import Slot, State

_PREDICT = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?"
    r":(classify|regress|predict)",
    re.IGNORECASE,
)
_STATUS = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?(?:\/(metadata))?",
    re.IGNORECASE,
)
_LARGEST_VERSION = 2**63 - 1
_CODES: tuple[tuple[type[errors.PlimsollError], int, str], ...] = (
    (errors.TooLarge, 413, "OUT_OF_RANGE"),
    (errors.InvalidInput, 400, "INVALID_ARGUMENT"),
    (errors.NotFound, 404, "NOT_FOUND"),
    (errors.Busy, 429, "RESOURCE_EXHAUSTED"),
    (errors.Unavailable, 503, "UNAVAILABLE"),
    (errors.WaitTimedOut, 504, "DEADLINE_EXCEEDED"),
    (errors.PlimsollError, 500, "INTERNAL"),
)
_DTYPES = {
    "float16": "DT_HALF",
    "float32": "DT_FLOAT",
    "float64": "DT_DOUBLE",
    **{name: f"DT_{name.upper()}" for name in ("bool", "string", "bfloat16")},
    **{f"{sign}int{bits}": f"DT_{sign.upper()}INT{bits}"
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


async def answer(serving: Serving, request: Request, *, preview: bool) -> Answer:
    """The answer to any request below /v1/; only with `preview` are inactive versions there."""
    method, path = request.method, request.path
    predict = _PREDICT.fullmatch(path) if method == "POST" else None
    if predict is not None:
        return await _predict(serving, predict, request, preview=preview)
    if method == "POST" and serving.has_kserve_v1 and kserve_v1.is_explanation(path):
        return await kserve_v1.explained(serving, request, preview=preview)
    status = _STATUS.fullmatch(path) if method == "GET" else None
    try:
        if status is None:
            raise errors.InvalidInput(f"Malformed request: {method} {path}")
        return _described(serving, status, preview=preview)
    except errors.PlimsollError as error:
        return _error(error)


async def _predict(
    serving: Serving, match: re.Match[str], request: Request, *, preview: bool
) -> Answer:
    started = time.perf_counter()
    name, version, label, method = match.groups()
    answers = _METHODS[method.lower()]
    try:
        slot = _found(serving, name, version, label, preview=preview)
    except errors.PlimsollError as error:
        return _error(error)
    # From here to the answer the version stays loaded, whatever is swapped meanwhile.
    slot.enter()
    try:
        if b"content-encoding" not in request.headers:
            body = await answers(serving, slot, request.body)
        else:
            limit, room = serving.limits.body_bytes, serving.unpacked
            async with encoding.unpacked(request, limit=limit, room=room) as unpacked:
                body = await answers(serving, slot, unpacked)
        found, code = Answer(200, body), "OK"
    except errors.PlimsollError as error:
        found, code = _error(error), _code(error)[1]
    finally:
        slot.leave()
    seconds = time.perf_counter() - started
    serving.metrics.predicted(
        slot.pin, status=found.status, code=code, seconds=seconds, api=method.capitalize()
    )
    answer = Answer(found.status, found.body, (*found.headers, *slot.headers))
    accepted = request.headers.get(b"accept-encoding")
    return answer if accepted is None else await encoding.packed(answer, accepted)


async def _predicted(serving: Serving, slot: Slot, body: bytes) -> bytes:
    backend = _backend(slot)
    asked = predict_request.read(body, backend)
    inputs, tensors = asked.inputs, backend.calls[asked.call].signature.inputs
    has_vectors = column_vectors.are_given(inputs, tensors)
    if has_vectors:
        inputs = column_vectors.widened(inputs, tensors)
    outcome = await serving.infer(slot, Asked(asked.call, inputs))
    serving.metrics.tensorflow.ran(slot.pin, "Predict", outcome.times)
    outputs: Arrays = outcome.outputs
    if has_vectors:
        outputs = column_vectors.narrowed(outputs)
    if asked.is_rows:
        return json_tensors.dumps({"predictions": json_tensors.rows(outputs)}, *outputs.values())
    found = {name: json_tensors.values(name, column) for name, column in outputs.items()}
    value = found if len(found) > 1 else next(iter(found.values()))
    return json_tensors.dumps({"outputs": value}, *outputs.values())


_METHODS: Mapping[str, Callable[[Serving, Slot, bytes], Coroutine[Any, Any, bytes]]] = {
    "predict": _predicted,
    "classify": partial(tensorflow_serving_examples.answered, task=Task.CLASSIFY),
    "regress": partial(tensorflow_serving_examples.answered, task=Task.REGRESS),
}


def _found(
    serving: Serving, model: str, version_text: str | None, label: str | None, *, preview: bool
) -> Slot:
    """`Serving.find`, with what it raises in TensorFlow Serving's words."""
    version = _version(version_text)
    try:
        return serving.find(model, version, label, preview=preview)
    except errors.NotFound as error:
        wanted = f"Latest({model})" if version is None else f"Specific({model}, {version})"
        raise errors.NotFound(f"Servable not found for request: {wanted}") from error
    except errors.InvalidInput as error:
        raise errors.InvalidInput(f"Unrecognized servable version label: {label}") from error


def _backend(slot: Slot) -> Offered:
    if slot.backend is None:  # unloaded while the body was on its way
        raise errors.Unavailable(f"{slot.pin.model}@{slot.pin.version} was unloaded")
    return slot.backend


def _described(serving: Serving, match: re.Match[str], *, preview: bool) -> Answer:
    model, version_text, label, metadata = match.groups()
    if model is None:
        if serving.has_kserve_v1:
            return kserve_v1.models(serving, preview=preview)
        raise errors.InvalidInput("Missing model name in request.")
    if metadata is not None:
        slot = _found(serving, model, version_text, label, preview=preview)
        return http.json_answer(200, _metadata(slot, _backend(slot)))
    if label is not None:
        slot = _found(serving, model, version_text, label, preview=preview)
        return http.json_answer(200, {"model_version_status": [_status(slot)]})
    version = _version(version_text)
    statuses = [_status(slot) for slot in _known(serving, model, version)]
    document: dict[str, object] = {"model_version_status": statuses}
    if version is None and serving.has_kserve_v1:
        document |= kserve_v1.readiness(serving, model)
    return http.json_answer(200, document)


def _known(serving: Serving, model: str, version: int | None) -> list[Slot]:
    slots = serving.table.versions(model)
    if not slots:
        raise errors.NotFound(f"Could not find any versions of model {model}")
    if version is None:
        return slots
    slots = [slot for slot in slots if slot.pin.version == version]
    if not slots:
        raise errors.NotFound(f"Could not find version {version} of model {model}")
    return slots


def _status(slot: Slot) -> dict[str, object]:
    """TensorFlow Serving has no word for refused: it is the END of a version that failed."""
    refused = slot.state is State.REFUSED
    return {
        "version": str(slot.pin.version),
        "state": "END" if refused else str(slot.state),
        "status": {
            "error_code": "FAILED_PRECONDITION" if refused else "OK",
            "error_message": slot.reason if refused else "",
        },
    }


def _metadata(slot: Slot, backend: Offered) -> dict[str, object]:
    definitions = {name: _definition(call) for name, call in backend.calls.items()}
    return {
        "model_spec": {
            "name": slot.pin.model,
            "signature_name": "",
            "version": str(slot.pin.version),
        },
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def _definition(call: Call) -> dict[str, object]:
    sides = {
        "inputs": zip(call.signature.inputs, call.inputs, strict=True),
        "outputs": zip(call.signature.outputs, call.outputs, strict=True),
    }
    described = {
        side: {
            tensor.name: {
                "dtype": _DTYPES[tensor.dtype],
                "tensor_shape": _shape(tensor.shape),
                "name": node,
            }
            for tensor, node in pairs
        }
        for side, pairs in sides.items()
    }
    return {**described, "method_name": call.method, "defaults": {}}


def _shape(shape: tuple[int | None, ...] | None) -> dict[str, object]:
    if shape is None:
        return {"dim": [], "unknown_rank": True}
    sizes = ("-1" if size is None else str(size) for size in shape)
    return {"dim": [{"size": size, "name": ""} for size in sizes], "unknown_rank": False}


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if len(text) > len(str(_LARGEST_VERSION)) or int(text) > _LARGEST_VERSION:
        raise errors.InvalidInput(f"Failed to convert version: {text} to numeric.")
    return int(text)


def _code(error: errors.PlimsollError) -> tuple[int, str]:
    return next((status, code) for kind, status, code in _CODES if isinstance(error, kind))


def _error(error: errors.PlimsollError) -> Answer:
    status, _ = _code(error)
    return http.json_answer(status, {"error": error.detail}, *http.extra_headers(error))
