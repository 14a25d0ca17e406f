"""MLflow's words for our things: names, what a request says, and error codes. Pure.

Texts that MLflow's own clients and tests look for are kept word for word.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from registry import errors
from registry.core.canonical import Json

_ALIAS = re.compile(r"[\w-]{1,255}")
_RESERVED_ALIAS = re.compile(r"v\d+", re.IGNORECASE)
# What a pending, ready or failed version is called; the others are not shown at all.
STATUSES = {
    "pending": "PENDING_REGISTRATION",
    "ready": "READY",
    "failed": "FAILED_REGISTRATION",
}
# Versions have no stages here: people move aliases, pull requests deploy.
STAGE = "None"
# Clients ask for what does not have this tag set; here nothing has it.
PROMPT_TAG = "mlflow.prompt.is_prompt"
TAG_LIMIT = 500
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,30}\s*", re.ASCII)
_SLUG_ROOM = 120

_CODES: tuple[tuple[type[errors.PlimsollError], int, str], ...] = (
    (errors.Unauthenticated, 401, "UNAUTHENTICATED"),
    (errors.Forbidden, 403, "PERMISSION_DENIED"),
    (errors.PolicyDenied, 403, "PERMISSION_DENIED"),
    (errors.NotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (errors.Gone, 404, "RESOURCE_DOES_NOT_EXIST"),
    (errors.Conflict, 409, "RESOURCE_CONFLICT"),
    (errors.TooLarge, 413, "INVALID_PARAMETER_VALUE"),
    (errors.OutOfOrder, 416, "INVALID_PARAMETER_VALUE"),
    (errors.Busy, 429, "REQUEST_LIMIT_EXCEEDED"),
    (errors.Unavailable, 503, "TEMPORARILY_UNAVAILABLE"),
    (errors.StorageFull, 507, "INTERNAL_ERROR"),
)


def code_of(error: errors.PlimsollError) -> tuple[int, str]:
    """The HTTP status and MLflow's name for this kind of error."""
    for kind, status, code in _CODES:
        if isinstance(error, kind):
            return status, code
    if error.status < 500:
        return 400, "INVALID_PARAMETER_VALUE"
    return 500, "INTERNAL_ERROR"


def error_document(code: str, message: str) -> dict[str, Json]:
    """The body of every answer that is a refusal."""
    return {"error_code": code, "message": message}


def message_of(error: errors.PlimsollError) -> str:
    """What is wrong, and what to do about it, in one text."""
    return f"{error.detail}: {error.fix}" if error.fix else error.detail


def model_name(said: str) -> str:
    """`said`, if MLflow would take it as a model's name."""
    if not said.strip():
        raise missing("name")
    if "/" in said or ":" in said:
        raise errors.InvalidName(
            f"Invalid model name '{said[:256]}'. Names cannot contain '/' or ':'."
        )
    if len(said) > 256 or "\x00" in said:
        raise errors.InvalidName(
            "Invalid model name: at most 256 characters fit, none of them zero"
        )
    return said


def slugs(name: str) -> Iterator[str]:
    """The slugs a model of this name may get, the best first."""
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    joined = re.sub(r"([._-])[._-]+", r"\1", re.sub(r"[^a-z0-9._-]+", "-", folded))
    best = joined[:_SLUG_ROOM].strip("._-") or "model"
    yield best
    number = 2
    while True:
        yield f"{best}-{number}"
        number += 1


def version_number(said: str) -> int:
    """The number that `said` spells; 0, which no version has, where it is out of range."""
    if not _NUMBER.fullmatch(said):
        raise errors.InvalidInput(f"Parameter 'version' must be an integer, got '{said[:80]}'.")
    number = int(said)
    return number if 0 < number < 2**63 else 0


def alias(said: str) -> str:
    """`said`, if it may be asked for as an alias, which 'latest' may."""
    if not said:
        raise errors.InvalidName("Registered model alias name cannot be empty.")
    if not _ALIAS.fullmatch(said):
        raise errors.InvalidName(
            f"Invalid alias name: '{said[:80]}'. Names may only contain alphanumerics, "
            "underscores (_), and dashes (-)."
        )
    return said


def new_alias(said: str) -> str:
    """`said`, if an alias may be called so here; our own rule, that has no '-', comes later."""
    if alias(said).lower() == "latest":
        raise errors.InvalidName("'latest' alias name (case insensitive) is reserved.")
    if _RESERVED_ALIAS.fullmatch(said):
        raise errors.InvalidName(f"Version alias name '{said}' is reserved.")
    return said


def text(request: dict[str, Json], name: str, *, is_required: bool = False) -> str:
    """The text that the request gives for `name`, empty where it gives none."""
    value = request.get(name)
    # Clients of other languages send numbers where the protocol says text.
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        if is_required:
            raise missing(name)
        return ""
    if not isinstance(value, str) or "\x00" in value:
        raise _ill_typed(name, value)
    return value


def optional_text(request: dict[str, Json], name: str) -> str | None:
    """As `text`, but None where the request does not mention `name`."""
    return text(request, name) if request.get(name) is not None else None


def texts(request: dict[str, Json], name: str) -> list[str]:
    """The list of texts that the request gives for `name`; one alone may stand without a list."""
    value = request.get(name)
    if value is None:
        return []
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list):
        raise _ill_typed(name, value)
    found = [item for item in items if isinstance(item, str) and "\x00" not in item]
    if len(found) != len(items):
        raise _ill_typed(name, value)
    return found


def count(request: dict[str, Json], name: str, *, default: int, most: int) -> int:
    """The positive number that the request gives for `name`."""
    said = text(request, name)
    if not said:
        return default
    number = int(said) if _NUMBER.fullmatch(said) else 0
    if number < 1:
        raise errors.InvalidInput(
            f"Invalid value for {name}. It must be a positive integer, but got {said[:40]}"
        )
    if number > most:
        raise errors.InvalidInput(
            f"Invalid value for request parameter {name}. It must be at most {most}, "
            f"but got value {said[:40]}"
        )
    return number


def tags(request: dict[str, Json]) -> dict[str, str]:
    """The tags that the request lists; of two with one key the last counts."""
    listed = request.get("tags")
    if listed is None:
        return {}
    if not isinstance(listed, list) or len(listed) > TAG_LIMIT:
        raise _ill_typed("tags", listed)
    found = dict(_tag(item) for item in listed)
    if found.get(PROMPT_TAG, "false").lower() != "false":
        raise errors.InvalidInput(
            "Prompts are not kept in this registry, only models", fix="keep your tracking server"
        )
    return found


def tag_key(request: dict[str, Json]) -> str:
    """The key of the one tag that the request is about."""
    return text(request, "key", is_required=True)


def pairs(items: Iterable[tuple[str, str]]) -> list[Json]:
    """Tags as MLflow lists them."""
    return [{"key": key, "value": value} for key, value in items]


def missing(name: str) -> errors.InvalidInput:
    return errors.InvalidInput(f"Missing value for required parameter '{name}'.")


def no_model(name: str) -> errors.NotFound:
    return errors.NotFound(f"Registered Model with name={name[:256]} not found")


def no_version(name: str, version: int | str) -> errors.NotFound:
    return errors.NotFound(f"Model Version (name={name[:256]}, version={version}) not found")


def _tag(item: Json) -> tuple[str, str]:
    if not isinstance(item, dict):
        raise _ill_typed("tags", item)
    return text(item, "key", is_required=True), text(item, "value")


def _ill_typed(name: str, value: Json) -> errors.InvalidInput:
    return errors.InvalidInput(
        f"Invalid value {str(value)[:80]!r} for parameter '{name}' supplied:  "
        f"Hint: Value was of type '{type(value).__name__}'."
    )
