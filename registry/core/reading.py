"""A document to one of the kinds that may stand in Git, or to problems a person can act on.

A kind is a strict pydantic class (registry.core.strict). An error of its own making may bring
its `fix` along in its context.
"""

from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from registry.core import documents, strict
from registry.core.documents import Document, Path, Problem
from registry.errors import InvalidInput

API_VERSION = "plimsoll.dev/v1"
SCHEMAS = "https://plimsoll.dev/schema/v1"

K = TypeVar("K", bound=strict.Strict)

_FIXES = {
    "int_type": "write a whole number",
    "float_type": "write a number",
    "bool_type": "write true or false",
    "string_type": "write text; put quotes around what looks like a number",
    "list_type": "write a list: [a, b]",
    "dict_type": "write a mapping of names to values",
    "model_type": "write a mapping with the fields of this block",
    "too_short": "write at least one",
    "string_too_long": "write less",
}
_VERSION_FIX = (
    "write the whole number of one published version, such as 7; there is no implicit latest"
)


class _Untitled(GenerateJsonSchema):
    """Titles made from field names only repeat them."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002  as inherited
        return False


def read(document: Document, kinds: Mapping[str, type[K]]) -> K | tuple[Problem, ...]:
    """The one of `kinds` (by name) that `document` is, or everything that is wrong with it."""
    kind = document.value.get("kind")
    chosen = kinds.get(kind) if isinstance(kind, str) else None
    if document.value.get("apiVersion") != API_VERSION:
        fix = f"write apiVersion: {API_VERSION}"
        return (document.problem(("apiVersion",), "apiVersion: not one we know", fix=fix),)
    if chosen is None:
        fix = documents.did_you_mean(str(kind), list(kinds))
        said = "is missing" if kind is None else f"{kind!r} is no kind that belongs here"
        return (document.problem(("kind",), f"kind: {said}", fix=fix),)
    try:
        return chosen.model_validate(document.value)
    except ValidationError as error:
        return tuple(_problem(document, chosen, entry) for entry in error.errors())


def part(source: Mapping[str, object], kind: type[K], *, what: str) -> K:
    """A part of a document that was read before, from where it was kept; raises `InvalidInput`."""
    try:
        return kind.model_validate(dict(source))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise InvalidInput(f"{what}: {where}: {_message(first)}") from error


def misnamed(document: Document, expected: str) -> Problem | None:
    """The problem of a file that does not stand at the path that its name asks for."""
    if document.path == expected:
        return None
    message = f"metadata.name: this name belongs in {expected}"
    fix = f"rename the file to {expected}, or change the name"
    return document.problem(("metadata", "name"), message, fix=fix)


def schema(kind: type[strict.Strict]) -> dict[str, object]:
    """The JSON Schema of `kind`, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMAS}/{kind.__name__}.json",
        **kind.model_json_schema(schema_generator=_Untitled),
    }


def _problem(document: Document, kind: type[BaseModel], entry: ErrorDetails) -> Problem:
    at: Path = tuple(entry["loc"])
    if at and at[-1] == "[key]":
        at = at[:-1]
    name = ".".join(str(part) for part in at)
    match entry["type"]:
        case "extra_forbidden":
            known = _fields_at(kind, at[:-1])
            fix = documents.did_you_mean(str(at[-1]), known)
            return document.problem(at, f"{name}: there is no such field", fix=fix, key=True)
        case "missing":
            return document.problem(at, f"{name}: is missing", fix=f"add {at[-1]}: ...")
        case _:
            at = (*at, *entry.get("ctx", {}).get("at", ()))
            said = f"{name}: {_message(entry)}" if name else _message(entry)
            return document.problem(at, said, fix=_fix(at, entry))


def _message(entry: ErrorDetails) -> str:
    match entry["type"]:
        case "string_pattern_mismatch":
            return f"{entry['input']!r} has not the form it must have"
        case "int_type" | "float_type" | "bool_type" | "string_type":
            return f"{_lower(entry['msg'])}, found {entry['input']!r}"
        case "too_short":
            return "is empty"
        case _:
            return _lower(entry["msg"])


def _fix(at: Path, entry: ErrorDetails) -> str:
    kind, context = entry["type"], entry.get("ctx", {})
    if "fix" in context:
        return str(context["fix"])
    if at[-2:] == ("model", "version") and kind.startswith("int_"):
        return _VERSION_FIX
    if kind == "string_pattern_mismatch":
        return strict.PATTERNS[context["pattern"]]
    if kind == "literal_error":
        return f"write {context['expected']}"
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for bound, words in bounds.items():
        if bound in context:
            return f"write {words} {context[bound]}"
    return _FIXES.get(kind, "see docs/schema for what may stand here")


def _fields_at(kind: type[BaseModel], at: Path) -> list[str]:
    model: type[BaseModel] | None = kind
    for part in at:
        if isinstance(part, int) or model is None:
            continue
        field = next((f for f in model.model_fields.values() if f.alias == part), None)
        model = _model_in(field.annotation) if field is not None else None
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in get_args(annotation))
    return next((model for model in found if model is not None), None)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].removesuffix(".")
