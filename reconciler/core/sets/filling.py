"""An element's values into a template: `{{parameter}}` becomes a value, and never YAML. Pure.

The template has been parsed before. A text that is nothing but a placeholder becomes the value with
its type; within a text the value is written out. What a value holds can add no field, no item and
no further placeholder.
"""

import re
from collections.abc import Mapping

from reconciler.core.sets.elements import Scalar
from registry.core import documents
from registry.core.documents import Path, Value
from registry.errors import InvalidInput

_PLACE = re.compile(r"\{\{\s*([a-z][A-Za-z0-9.-]{0,200})\s*\}\}")
_BRACES = re.compile(r"\{\{|\}\}")


class Unfilled(Exception):
    """A place in the template that nothing can be put into, and why."""

    def __init__(self, at: Path, error: InvalidInput, *, key: bool = False) -> None:
        super().__init__(error.detail)
        self.at = at
        self.error = error
        self.key = key


def fill(template: Value, values: Mapping[str, Scalar], at: Path = ()) -> Value:
    """`template` with its placeholders filled; raises `Unfilled`."""
    match template:
        case str():
            return _text(template, values, at)
        case list():
            return [fill(item, values, (*at, index)) for index, item in enumerate(template)]
        case dict():
            for name in template:
                if _BRACES.search(name):
                    error = InvalidInput(f"{name}: a field's name is no place for a parameter")
                    raise Unfilled((*at, name), error, key=True)
            return {name: fill(item, values, (*at, name)) for name, item in template.items()}
        case _:
            return template


def parameter(template: object) -> str | None:
    """The parameter that a text is nothing but a place for."""
    found = _PLACE.fullmatch(template) if isinstance(template, str) else None
    return None if found is None else found[1]


def _text(text: str, values: Mapping[str, Scalar], at: Path) -> Value:
    rest = _PLACE.sub("", text)
    if _BRACES.search(rest):
        error = InvalidInput(
            f"{text[:60]!r} has braces that are no placeholder",
            fix="write {{parameter}}, such as {{host}} or {{host.labels.site}}",
        )
        raise Unfilled(at, error)
    whole = parameter(text)
    if whole is not None:
        return _value(whole, values, at)
    return _PLACE.sub(lambda place: _written(_value(place[1], values, at)), text)


def _value(name: str, values: Mapping[str, Scalar], at: Path) -> Scalar:
    if name not in values:
        error = InvalidInput(
            f"there is no parameter {name}", fix=documents.did_you_mean(name, sorted(values))
        )
        raise Unfilled(at, error)
    return values[name]


def _written(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
