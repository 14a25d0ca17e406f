"""One element of a set as the deployment that it makes, read as if written by hand. Pure.

What is wrong with it is told with the place in the set's file and with the element.
"""

from dataclasses import dataclass
from typing import cast

from reconciler.core import kinds
from reconciler.core.kinds.deployment_set import ModelDeploymentSet
from reconciler.core.sets import filling
from reconciler.core.sets.elements import Element
from reconciler.core.sources import RESERVED, TEMPLATE, Made, Origin, Source
from registry.core import reading
from registry.core.documents import Document, Problem, Value, Words

_VERSION, _DIGEST = "version", "digest"
_KINDS = {"ModelDeployment": kinds.ModelDeployment}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one element. `key` is empty where even that could not be told."""

    key: str
    source: Source[kinds.ModelDeployment] | None
    problems: tuple[Problem, ...]
    origin: Origin | None


def make(words: Words, document: Document, kind: ModelDeploymentSet, element: Element) -> Outcome:
    """The deployment for `element`, or what is wrong with it; `document` is what `words` say."""
    template = cast("dict[str, Value]", document.value["spec"])["template"]
    about = Made(words.path, words.data, str(element))
    try:
        filled = filling.fill(template, element.values)
    except filling.Unfilled as error:
        problem = about.problem(error.at, error.error.detail, fix=error.error.fix, key=error.key)
        return Outcome(_key(template, element), None, (problem,), None)
    value = _value(cast("dict[str, dict[str, Value]]", filled), kind)
    found = reading.read(_document(document, value), _KINDS)
    key = _key_of(value)
    if isinstance(found, tuple):
        return Outcome(key, None, tuple(about.told(problem) for problem in found), None)
    if found.metadata.environment in RESERVED:
        said = f"metadata.environment: {found.metadata.environment} is no name for an environment"
        problem = about.problem(("metadata", "environment"), said, fix="use another name")
        return Outcome("", None, (problem,), None)
    return Outcome(key, Source(about, found), (), origin(kind, element))


def origin(kind: ModelDeploymentSet, element: Element) -> Origin | None:
    """Where version and digest stand, if they do in one row of a list, or in the template."""
    model = kind.spec.template.spec.get("model")
    if not isinstance(model, dict):
        return None
    version, digest = (filling.parameter(model.get(name)) for name in (_VERSION, _DIGEST))
    if version is None and digest is None:
        literal = isinstance(model.get(_VERSION), int)
        return Origin((), _VERSION, _DIGEST) if literal else None
    if version is None or digest is None:
        return None
    row = element.rows.get(version)
    if row is None or element.rows.get(digest) is not row:
        return None
    return Origin(tuple(row.items()), version, digest)


def _value(filled: "dict[str, dict[str, Value]]", kind: ModelDeploymentSet) -> dict[str, Value]:
    return {
        "apiVersion": reading.API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {**filled["metadata"], "project": kind.metadata.project},
        "spec": filled["spec"],
    }


def _document(document: Document, value: dict[str, Value]) -> Document:
    """As if it stood by itself, with the places that it has in the set's file."""
    cut = len(TEMPLATE)
    values = {at[cut:]: place for at, place in document.values.items() if at[:cut] == TEMPLATE}
    keys = {at[cut:]: place for at, place in document.keys.items() if at[:cut] == TEMPLATE}
    return Document(document.path, value, values, keys)


def _key(template: Value, element: Element) -> str:
    """Which deployment it would be, where something else could not be filled."""
    metadata = template.get("metadata") if isinstance(template, dict) else None
    if not isinstance(metadata, dict):
        return ""
    try:
        named = {name: metadata.get(name) for name in ("environment", "name")}
        return _key_of({"metadata": filling.fill(cast("Value", named), element.values)})
    except filling.Unfilled:
        return ""


def _key_of(value: dict[str, Value]) -> str:
    metadata = cast("dict[str, Value]", value["metadata"])
    parts = [metadata.get("environment"), metadata.get("name")]
    return "/".join(map(str, parts)) if all(isinstance(part, str) for part in parts) else ""
