"""KServe's V1 protocol, where it is not TensorFlow Serving's own: both have /v1/models.

`:predict` is the same in both. `GET /v1/models/M` is asked by clients of either, so its answer
has the keys of both; it is 200 while a model loads, as TensorFlow Serving's clients need it, and
KServe's read `ready`.
"""

import re

from registry.errors import InvalidInput, PlimsollError
from runtime.protocols import http
from runtime.protocols.http import Answer, Request
from runtime.serving import Serving
from runtime.table import State

ALIVE = http.json_answer(200, {"status": "alive"})
_EXPLAIN = ":explain"
_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:(?:/versions/([0-9]{1,18}))|(?:/labels/([^/:]+)))?:explain"
)


def models(serving: Serving, *, preview: bool) -> Answer:
    """GET /v1/models: the names of all that a client could ask."""
    slots = serving.table.slots()
    names = {slot.pin.model for slot in slots if preview or serving.table.is_visible(slot)}
    return http.json_answer(200, {"models": sorted(names)})


def readiness(serving: Serving, model: str) -> dict[str, object]:
    """What KServe adds to the status of a model."""
    slot = serving.table.active(model)
    return {"name": model, "ready": slot is not None and slot.state is State.AVAILABLE}


def is_explanation(path: str) -> bool:
    """Whether it is POSTed to for an explanation."""
    return path.endswith(_EXPLAIN)


async def explained(serving: Serving, request: Request, *, preview: bool) -> Answer:
    """Why a version answers as it does: docs/runtime/explaining.md."""
    from runtime.protocols import explanations  # noqa: PLC0415  heavy, and seldom asked for

    try:
        found = _PATH.fullmatch(request.path)
        if found is None:
            raise InvalidInput(f"Malformed request: POST {request.path[:200]}")
        model, version, label = found.groups()
        number = None if version is None else int(version)
        slot = serving.find(model, number, label, preview=preview)
    except PlimsollError as error:
        return explanations.refused(error)
    return await explanations.answered(serving, slot, request, explanations.of_rows)
