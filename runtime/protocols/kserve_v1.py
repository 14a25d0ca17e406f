"""KServe's V1 protocol, where it is not TensorFlow Serving's own: both have /v1/models.

`:predict` is the same in both. `GET /v1/models/M` is asked by clients of either, so its answer
has the keys of both; it is 200 while a model loads, as TensorFlow Serving's clients need it, and
KServe's read `ready`.
"""

from runtime.protocols import http
from runtime.protocols.http import Answer
from runtime.serving import Serving
from runtime.table import State

ALIVE = http.json_answer(200, {"status": "alive"})
_EXPLAIN = ":explain"


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


def explained(path: str) -> Answer:
    """501: no format that is served here brings an explainer."""
    model = path.removesuffix(_EXPLAIN).rpartition("/")[2]
    return http.json_answer(501, {"error": f"model '{model[:200]}' has no explainer"})
