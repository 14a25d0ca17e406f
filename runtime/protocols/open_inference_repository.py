"""Triton's requests that change what is loaded: which model, and nothing else of it."""

from collections.abc import Set as AbstractSet

import orjson

from registry import errors
from runtime.protocols.http import Request
from runtime.refusals import WrongMethod

TAKEN = frozenset({"unload_dependents"})  # no model here depends on another


def change(request: Request) -> tuple[str, str]:
    """`load` or `unload`, and the model. Raises `NotFound`, `WrongMethod`, `InvalidInput`."""
    match request.path.split("/")[4:]:
        case [str(model), "load" | "unload" as act] if model:
            if request.method != "POST":
                raise WrongMethod(request.path, "POST")
            _require_plain(request.body, model)
            return act, model
    raise errors.NotFound(f"there is no {request.path[:200]}")


def _require_plain(body: bytes, model: str) -> None:
    """What is loaded is what was published: neither its files nor its configuration are sent."""
    try:
        found = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise errors.InvalidInput(f"failed to parse the request JSON buffer: {error}") from error
    parameters = found.get("parameters") if isinstance(found, dict) else None
    extra = parameters.keys() - TAKEN if isinstance(parameters, dict) else set()
    if extra:
        raise not_taken(model, extra)


def not_taken(model: str, extra: AbstractSet[str]) -> errors.InvalidInput:
    return errors.InvalidInput(
        f"failed to load '{model}': the parameter '{min(extra)[:80]}' is not taken, "
        "a version is loaded as it was published"
    )
