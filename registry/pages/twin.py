"""A page's values as JSON: the same facts under the same address, for programs.

Names are in camel case as in the API; a moment is its RFC 3339 form. What only draws has no twin.
"""

import dataclasses
from collections.abc import Mapping
from datetime import datetime

from registry.core.canonical import Json
from registry.pages.views import Moment

FORMAT = "format"


def document(values: Mapping[str, object]) -> dict[str, Json]:
    """What a template gets, as JSON."""
    return {camel(name): form(value) for name, value in values.items()}


def form(value: object) -> Json:
    """One value; dataclasses as objects, sequences as lists."""
    if value is None or isinstance(value, bool | int | float) or type(value) is str:
        return value
    if isinstance(value, Mapping):
        return {str(name): form(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [form(one) for one in value]
    return str(value) if isinstance(value, str) else _text(value) or _object(value)


def _text(value: object) -> str:
    match value:
        case Moment():
            return value.iso
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return ""


def _object(value: object) -> Json:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"a page's value of type {type(value).__name__} has no JSON form")
    fields = dataclasses.fields(value)
    return {camel(one.name): form(getattr(value, one.name)) for one in fields}


def camel(name: str) -> str:
    """`log_index` as `logIndex`."""
    first, *others = name.strip("_").split("_")
    return first + "".join(word.capitalize() for word in others)
