"""Explanations over HTTP: a question read from rows (V1) or tensors (V2), and its answer written.

Both forms ask the same desk and get the same numbers. An error is said as the Open Inference
Protocol says it: a bad question is 400, whatever it is elsewhere.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from registry import errors
from registry.core.explaining.terms import Attribution
from runtime.backends.isolated import IsolatedBackend
from runtime.backends.protocol import Array, Offered
from runtime.explaining import derivation, question, subjects
from runtime.explaining.asking import Subject
from runtime.explaining.desk import Explained
from runtime.explaining.question import Wish
from runtime.inference.cached import Cached
from runtime.inference.scheduler import Scheduler
from runtime.protocols import (
    column_vectors,
    encoding,
    http,
    json_tensors,
    open_inference_request,
    predict_request,
)
from runtime.protocols.http import Answer, Request
from runtime.protocols.open_inference_plan import Plan
from runtime.refusals import NotExplainable
from runtime.serving import Serving
from runtime.table import Slot

# Time within the request's deadline that is not an explanation's: reading, writing, one late run.
_MARGIN_MS = 1000
# Parameters of the protocol's own requests, which mean nothing to an explanation.
_OTHERS = frozenset({"priority", "timeout", "binary_data_output"})

Asked = tuple[Wish, Subject, str | None]
# A request's body and how long it may take; then who is asked, and the form of the answer.
Reads = Callable[[Slot, Request, bytes, int], tuple[Asked, Callable[..., dict[str, Any]]]]


async def answered(serving: Serving, slot: Slot, request: Request, reads: Reads) -> Answer:
    """Whatever is asked of a version that was found; it stays loaded until there is an answer."""
    slot.enter()
    try:
        await asyncio.sleep(0)  # it waits with timeouts, which are for tasks alone
        found = await _answered(serving, slot, request, reads)
    except errors.PlimsollError as error:
        found = refused(error)
    finally:
        slot.leave()
    answer = Answer(found.status, found.body, (*found.headers, *slot.headers))
    accepted = request.headers.get(b"accept-encoding")
    return answer if accepted is None else await encoding.packed(answer, accepted)


def refused(error: errors.PlimsollError) -> Answer:
    """The form of an error; what to do about it is told where it is known."""
    status = 400 if isinstance(error, errors.InvalidInput) else error.status
    said = f"{error.detail}; {error.fix}" if error.fix else error.detail
    return http.json_answer(status, {"error": said}, *http.extra_headers(error))


def of_rows(
    slot: Slot, request: Request, body: bytes, longest_ms: int
) -> tuple[Asked, Callable[..., dict[str, Any]]]:
    """The V1 form: `instances` or `inputs`, `signature_name`, and `parameters`."""
    del request
    document, read = json_tensors.loads(body), json_tensors.reader(body)
    backend = _backend(slot)
    name = predict_request.call_name(document, backend)
    call = backend.calls[name]
    tensors = call.signature.inputs
    is_rows = predict_request.is_row_format(document)
    reads = predict_request.rows if is_rows else predict_request.columns
    instances: dict[str, Array] = reads(document, tensors, read=read)
    if column_vectors.are_given(instances, tensors):
        instances = dict(column_vectors.widened(instances, tensors))
    wish = question.read(document.get("parameters"), longest_ms=longest_ms)
    return (wish, _subject(slot, name, instances, wish), None), rows_document


def of_tensors(
    plan: Plan, slot: Slot, request: Request, body: bytes, longest_ms: int
) -> tuple[Asked, Callable[..., dict[str, Any]]]:
    """The V2 form: an inference request whose `parameters` are an explanation's."""
    start = open_inference_request.head_length(request.headers, len(body))
    if start or not body or open_inference_request.HEAD not in request.headers:
        document = json_tensors.loads(body[:start])
        layout = open_inference_request.layout(plan, body[:start])
    else:
        document, layout = {}, open_inference_request.raw(plan, len(body))
    asked = open_inference_request.asked(plan, layout, body, start)
    given = document.get("parameters") or {}
    parameters = {name: value for name, value in given.items() if name not in _OTHERS}
    if len(layout.outputs) == 1 and "output" not in parameters:
        parameters["output"] = layout.outputs[0]
    wish = question.read(parameters, longest_ms=longest_ms)
    subject = _subject(slot, plan.call, dict(asked.inputs), wish)
    return (wish, subject, layout.id), tensors_document


def rows_document(slot: Slot, found: Explained, request_id: str | None) -> dict[str, Any]:
    """V1: an object an instance in `explanations`."""
    del request_id
    described = [_row(found, one, target)
                 for one, target in zip(found.found, found.targets, strict=True)]  # fmt: skip
    document = {"explanations": described, **_about(slot, found)}
    if found.surrogate:
        parts = {name: array.tolist() for name, array in found.surrogate.items()}
        document["surrogate"] = {"kind": found.wish.surrogate, **parts}
    return document


def tensors_document(slot: Slot, found: Explained, request_id: str | None) -> dict[str, Any]:
    """V2: tensors whose first axis is the instances, one row alone for a global method."""
    outputs = []
    for kind in ("values", "errors"):
        stacked = np.array([getattr(one, kind) for one in found.found])
        named = "attributions" if kind == "values" else "standard_errors"
        outputs += [_tensor(f"{named}.{name}", "FP64", array)
                    for name, array in found.subject.layout.spread(stacked).items()]  # fmt: skip
    for name, kind in (("scores", "score"), ("base_values", "base"), ("completeness_gaps", "gap"),
                       ("fidelities", "fidelity")):  # fmt: skip
        outputs.append(_tensor(name, "FP64", np.array([getattr(one, kind) for one in found.found])))
    outputs.append(_tensor("targets", "INT64", np.array(found.targets)))
    outputs.append(_tensor("samples", "INT64", np.array([one.samples for one in found.found])))
    finished = np.array([one.is_finished for one in found.found])
    outputs.append(_tensor("finished", "BOOL", finished))
    outputs += [_tensor(f"surrogate.{name}", "INT64" if array.dtype.kind == "i" else "FP64",
                        np.atleast_1d(array))
                for name, array in found.surrogate.items()]  # fmt: skip
    about = _about(slot, found)
    document = {"model_name": slot.pin.model, "model_version": str(slot.pin.version)}
    if request_id is not None:
        document["id"] = request_id
    return {**document, "parameters": about, "outputs": outputs}


async def _answered(serving: Serving, slot: Slot, request: Request, reads: Reads) -> Answer:
    scheduler = _scheduler(slot)
    longest_ms = max(serving.limits.deadline_seconds * 1000 - _MARGIN_MS, 500)
    if b"content-encoding" in request.headers:
        limit, room = serving.limits.body_bytes, serving.unpacked
        async with encoding.unpacked(request, limit=limit, room=room) as body:
            asked, writes = reads(slot, request, body, longest_ms)
    else:
        asked, writes = reads(slot, request, request.body, longest_ms)
    wish, subject, request_id = asked
    is_derived = wish.method in question.DERIVING
    origin = derivation.origin(slot, serving.limits.deadline_seconds) if is_derived else None
    found = await serving.desk.explained(scheduler, wish, subject, origin)
    # NaN, for what is not known, is null in JSON.
    body = orjson.dumps(writes(slot, found, request_id), option=orjson.OPT_SERIALIZE_NUMPY)
    return Answer(200, body)


def _scheduler(slot: Slot) -> Scheduler:
    runs = slot.scheduler
    behind = runs.behind if isinstance(runs, Cached) else runs
    if isinstance(behind, Scheduler):
        return behind
    if behind is None:
        raise errors.Unavailable(f"{slot.pin.model}@{slot.pin.version} is {slot.state}")
    raise NotExplainable(
        f"{slot.pin.model}@{slot.pin.version} is an ensemble",
        fix="ask for explanations of its members",
    )


def _backend(slot: Slot) -> Offered:
    if slot.backend is None:
        raise errors.Unavailable(f"{slot.pin.model}@{slot.pin.version} was unloaded")
    return slot.backend


def _subject(slot: Slot, name: str, instances: dict[str, Array], wish: Wish) -> Subject:
    backend = _backend(slot)
    call = backend.calls[name]
    rows = subjects.background_rows(wish.baseline)
    background: dict[str, Array] = {}
    if rows is not None:
        try:
            background = predict_request.rows(
                {"instances": rows}, call.signature.inputs, read=json_tensors.array
            )
        except errors.InvalidInput as error:
            raise errors.InvalidInput(f"parameter 'baseline': {error.detail}") from error
    in_thread = slot.pin.format != "saved_model" and not isinstance(backend, IsolatedBackend)
    found = subjects.of(name, call, instances, background, wish, in_thread=in_thread)
    if wish.method != "grad_cam":
        return found
    return subjects.pictured(found, wish, channels_last=slot.pin.format == "saved_model")


def _row(found: Explained, one: Attribution, target: int) -> dict[str, Any]:
    layout = found.subject.layout
    values, spread = (
        {name: array.tolist() for name, array in layout.spread(numbers).items()}
        for numbers in (one.values, one.errors)
    )
    is_single = len(values) == 1
    return {
        "attributions": next(iter(values.values())) if is_single else values,
        "standard_errors": next(iter(spread.values())) if is_single else spread,
        "score": one.score,
        "base_value": one.base,
        "target": None if target < 0 else target,
        "completeness_gap": None if found.is_global else one.gap,
        "fidelity": None if math.isnan(one.fidelity) else one.fidelity,
        "samples": one.samples,
        "finished": one.is_finished,
    }


def _about(slot: Slot, found: Explained) -> dict[str, Any]:
    layer = {"layer": found.layer} if found.layer else {}
    return {
        "method": found.wish.method,
        **layer,
        "output": found.subject.output,
        "seed": found.wish.seed,
        "model": slot.pin.model,
        "version": slot.pin.version,
        "digest": slot.pin.digest,
    }


def _tensor(name: str, datatype: str, values: Array) -> dict[str, Any]:
    flat = np.ascontiguousarray(values).reshape(-1)
    return {"name": name, "datatype": datatype, "shape": list(values.shape), "data": flat}
