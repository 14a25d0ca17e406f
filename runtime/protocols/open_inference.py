"""The Open Inference Protocol over REST on /v2/, with Triton's extensions, for one runtime.

Paths and bodies are those of the protocol's specification; where that is silent, or Triton's and
KServe's clients expect more, theirs (docs/runtime/open-inference.md says which). The Content-Type
is not looked at: the best-known client sends none.
"""

import time
from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import orjson

from registry import errors
from runtime.observing import current
from runtime.protocols import (
    encoding,
    http,
    labels,
    open_inference_answer,
    open_inference_models,
    open_inference_request,
    open_inference_statistics,
)
from runtime.protocols.http import Answer, Request
from runtime.protocols.open_inference_plan import Plan, Plans
from runtime.refusals import WrongMethod
from runtime.serving import Serving
from runtime.table import Slot, State

_LARGEST_VERSION = 2**63 - 1
_SHORT = 256  # a longer path is none that is asked for again
# What Triton has and this runtime does not, by how its path ends or begins.
_ABSENT = {
    "trace": "request traces are not set by clients here",
    "logging": "the log is not set by clients here",
    "systemsharedmemory": "shared memory is not offered here",
    "cudasharedmemory": "shared memory is not offered here",
    "generate": "there are no generative models here",
    "generate_stream": "there are no generative models here",
}


class OpenInference:
    """The dialect of one runtime; it keeps a plan of each version that was asked."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._plans = Plans()

    async def answer(self, request: Request, *, preview: bool) -> Answer:
        """The answer to any request to /v2 or below it; `preview` as for `Serving.find`."""
        path = request.path
        try:
            if path.endswith("/infer") and request.method == "POST":
                named = (_asked_for if len(path) < _SHORT else _asked_for.__wrapped__)(path)
                if named is not None:
                    return await self._inferred(self._found(*named, preview=preview), request)
            if path.endswith("/explain") and request.method == "POST":
                return await self._explained(request, preview=preview)
            return self._told(request, path.split("/")[2:], preview=preview)
        except errors.PlimsollError as error:
            return refused(error)

    async def _explained(self, request: Request, *, preview: bool) -> Answer:
        from runtime.protocols import explanations  # noqa: PLC0415  heavy, and seldom asked for

        named = _asked_for.__wrapped__(request.path)
        if named is None:
            raise errors.NotFound(f"there is no {request.path[:200]}")
        slot = self._found(*named, preview=preview)
        reads = partial(explanations.of_tensors, self._plans.of(slot))
        return await explanations.answered(self._serving, slot, request, reads)

    async def _inferred(self, slot: Slot, request: Request) -> Answer:
        started = time.perf_counter()
        plan = self._plans.of(slot)
        try:
            if b"content-encoding" not in request.headers:
                answer = await self._answered(slot, plan, request.headers, request.body)
            else:
                answer = await self._unpacked(slot, plan, request)
        except errors.PlimsollError as error:
            said = refused(error)
            answer = Answer(said.status, said.body, (*said.headers, *plan.headers))
        seconds = time.perf_counter() - started
        self._serving.metrics.answered(slot.pin, status=answer.status, seconds=seconds)
        return answer

    async def _unpacked(self, slot: Slot, plan: Plan, request: Request) -> Answer:
        limit, room = self._serving.limits.body_bytes, self._serving.unpacked
        async with encoding.unpacked(request, limit=limit, room=room) as body:
            return await self._answered(slot, plan, request.headers, body)

    async def _answered(
        self, slot: Slot, plan: Plan, headers: Mapping[bytes, bytes], body: bytes
    ) -> Answer:
        start = open_inference_request.head_length(headers, len(body))
        if start or not body or open_inference_request.HEAD not in headers:
            layout = open_inference_request.layout(plan, body[:start])
        else:
            layout = open_inference_request.raw(plan, len(body))
        asked = open_inference_request.asked(plan, layout, body, start)
        if layout.id:
            current.named(layout.id)
        outcome = await self._serving.infer(slot, asked)
        names = labels.of(slot) if layout.has_classes else ()
        answer = open_inference_answer.written(plan, layout, outcome.outputs, names)
        accepted = headers.get(b"accept-encoding")
        return answer if accepted is None else await encoding.packed(answer, accepted)

    def _told(self, request: Request, parts: list[str], *, preview: bool) -> Answer:
        match parts:
            case [] | [""]:
                found: object = open_inference_models.server()
            case ["health", "live"]:
                found = {"live": True}
            case ["health", "ready"]:
                return self._ready(request)
            case ["models"] | ["models", "stats"]:
                found = self._listed(parts[-1], preview=preview)
            case ["models", _, "infer" | "explain"] | ["models", _, _, _, "infer" | "explain"]:
                raise WrongMethod(request.path, "POST")
            case ["models", _, *rest] if not absent(rest):
                found = self._model(parts[1:], preview=preview)
            case ["repository", *rest]:
                return self._repository(request, rest, preview=preview)
            case _:
                return _absent(request, parts)
        _require(request, "GET")
        return http.json_answer(200, found)

    def _listed(self, what: str, *, preview: bool) -> dict[str, Any]:
        slots = self._visible(preview=preview)
        if what == "stats":
            return open_inference_statistics.of(slots)
        return {"models": sorted({slot.pin.model for slot in slots})}

    def _ready(self, request: Request) -> Answer:
        """503, which balancers and KServe know, and not Triton's 400: no client is at fault."""
        _require(request, "GET")
        ready = self._serving.is_ready()
        return http.json_answer(200 if ready else 503, {"ready": ready})

    def _model(self, parts: list[str], *, preview: bool) -> dict[str, Any]:
        """What is said of one model; `parts` are its name and what follows."""
        what = parts.pop() if parts[-1] in {"ready", "config", "stats"} and len(parts) > 1 else ""
        slot = self._found(*_named(parts), preview=preview)
        plan = self._plans.of(slot)
        match what:
            case "stats":
                is_of_model = len(parts) == 1
                return open_inference_statistics.of(
                    self._of_model(plan, preview=preview) if is_of_model else [slot]
                )
            case "ready":
                return {"name": plan.model, "ready": True}
            case "config":
                return open_inference_models.configuration(slot, plan)
        versions = self._of_model(plan, preview=preview)
        return open_inference_models.described(slot, plan, versions)

    def _of_model(self, plan: Plan, *, preview: bool) -> list[Slot]:
        """The versions of the same model that a client could name."""
        return [one for one in self._visible(preview=preview)
                if one.pin.model == plan.model and one.state is State.AVAILABLE]  # fmt: skip

    def _repository(self, request: Request, parts: list[str], *, preview: bool) -> Answer:
        _require(request, "POST")
        match parts:
            case ["index"]:
                ready = _wants_ready(request.body)
                slots = [one for one in self._visible(preview=preview)
                         if one.state is State.AVAILABLE or not ready]  # fmt: skip
                return http.json_answer(200, [open_inference_models.indexed(one) for one in slots])
            case ["models", name, ("load" | "unload") as act]:
                raise errors.Forbidden(
                    f"failed to {act} '{name}': what runs here is declared, explicit model load / "
                    "unload is not allowed"
                )
        return _absent(request, ["repository", *parts])

    def _found(self, model: str, version: int | None, label: str | None, *, preview: bool) -> Slot:
        try:
            return self._serving.find(model, version, label, preview=preview)
        except (errors.NotFound, errors.InvalidInput) as error:
            which = f"'{model}'"
            if version is not None:
                which += f" version {version}"
            if label is not None:
                which += f" label '{label[:80]}'"
            raise errors.NotFound(f"Request for unknown model: {which} is not found") from error
        except errors.Unavailable as error:
            raise errors.Unavailable(
                f"Request for unknown model: '{model}' is not at ready state: {error.detail}"
            ) from error

    def _visible(self, *, preview: bool) -> list[Slot]:
        table = self._serving.table
        return [slot for slot in table.slots() if preview or table.is_visible(slot)]


def refused(error: errors.PlimsollError) -> Answer:
    """The protocol's form of an error; a bad request is 400 here, whatever it is elsewhere."""
    status = 400 if isinstance(error, errors.InvalidInput) else error.status
    return http.json_answer(status, {"error": error.detail}, *http.extra_headers(error))


def absent(rest: list[str]) -> bool:
    """Whether what follows a model's name is something of Triton's that is not here."""
    return any(part in _ABSENT for part in rest)


def _absent(request: Request, parts: list[str]) -> Answer:
    for part in parts:
        if part in _ABSENT:
            return http.json_answer(501, {"error": _ABSENT[part]})
    raise errors.NotFound(f"there is no {request.path[:200]}")


@lru_cache(maxsize=256)
def _asked_for(path: str) -> tuple[str, int | None, str | None] | None:
    """Who is to infer; None where the path is none for that. Raises `NotFound`."""
    parts = path.split("/")
    return _named(parts[3:-1]) if parts[2] == "models" else None


def _named(parts: list[str]) -> tuple[str, int | None, str | None]:
    """Name, version and label of `M`, `M/versions/V` or `M/labels/L`; the last is ours alone."""
    match parts:
        case [name]:
            return name, None, None
        case [name, "versions", text] if text.isascii() and text.isdigit():
            # No version is that large: so it is one that there is not.
            return name, int(text) if len(text) < 20 else _LARGEST_VERSION, None
        case [name, "labels", label]:
            return name, None, label
    raise errors.NotFound(f"there is no /v2/models/{'/'.join(parts)[:200]}")


def _wants_ready(body: bytes) -> bool:
    try:
        found = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise errors.InvalidInput(f"failed to parse the request JSON buffer: {error}") from error
    return isinstance(found, dict) and found.get("ready") is True


def _require(request: Request, method: str) -> None:
    if request.method != method:
        raise WrongMethod(request.path, method)
