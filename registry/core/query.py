"""What a search asks for, as values: comparisons joined by AND, and an order.

Which fields there are stands here, for versions and for models; `query_text` reads and writes
the language that people type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import TypeAlias

Value: TypeAlias = str | int | float | datetime


class Kind(Enum):
    """What a field holds, and so what it may be compared with, and how."""

    TEXT = "a text"
    INTEGER = "an integer"
    NUMBER = "a number"
    INSTANT = "a date"


class Operator(StrEnum):
    """LIKE minds upper and lower case, ILIKE does not for the letters A to Z."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"


_OF_TEXTS = (
    Operator.EQUAL,
    Operator.UNEQUAL,
    Operator.LIKE,
    Operator.ILIKE,
    Operator.IN,
    Operator.NOT_IN,
)
_OF_NUMBERS = (
    Operator.EQUAL,
    Operator.UNEQUAL,
    Operator.LESS,
    Operator.AT_MOST,
    Operator.GREATER,
    Operator.AT_LEAST,
)
OPERATORS: Mapping[Kind, tuple[Operator, ...]] = {
    Kind.TEXT: _OF_TEXTS,
    Kind.INTEGER: _OF_NUMBERS,
    Kind.NUMBER: _OF_NUMBERS,
    Kind.INSTANT: _OF_NUMBERS,
}


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute such as `name`, or one entry of a group: `tags` and its `key`."""

    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison; several values only with IN and NOT IN.

    What is not there (a tag, a metric) compares as nothing does: no comparison with it is true.
    A field with several values (`format`, `alias`) fits where one of them does; with != and
    NOT IN, where none is among those said.
    """

    field: Field
    operator: Operator
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by. Rows that do not have it come last, whichever the direction."""

    field: Field
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """All terms must be true. An empty order means the subject's own."""

    terms: tuple[Term, ...] = ()
    order: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What can be searched: its attributes, its groups, and what it can be sorted by.

    `synonyms` are what other tools call the same attribute or group.
    """

    name: str
    attributes: Mapping[str, Kind]
    groups: Mapping[str, Kind]
    sortable: frozenset[str]
    synonyms: Mapping[str, str]


_SYNONYMS = {
    "tag": "tags",
    "timestamp": "updated_at",
    "creation_timestamp": "created_at",
    "last_updated_timestamp": "updated_at",
    "aliases": "alias",
}
VERSIONS = Subject(
    name="version",
    attributes={
        "name": Kind.TEXT,
        "display_name": Kind.TEXT,
        "version": Kind.INTEGER,
        "status": Kind.TEXT,
        "description": Kind.TEXT,
        "owner": Kind.TEXT,
        "licence": Kind.TEXT,
        "commit": Kind.TEXT,
        "repository": Kind.TEXT,
        "run_id": Kind.TEXT,
        "source_path": Kind.TEXT,
        "created_at": Kind.INSTANT,
        "updated_at": Kind.INSTANT,
        "format": Kind.TEXT,
        "publisher": Kind.TEXT,
        "digest": Kind.TEXT,
        "dataset.name": Kind.TEXT,
        "dataset.digest": Kind.TEXT,
        "alias": Kind.TEXT,
    },
    groups={"tags": Kind.TEXT, "params": Kind.TEXT, "metrics": Kind.NUMBER},
    sortable=frozenset({"name", "version", "created_at", "updated_at", "metrics"}),
    synonyms=_SYNONYMS
    | {
        "version_number": "version",
        "license": "licence",
        "source": "source_path",
        "param": "params",
        "parameter": "params",
        "parameters": "params",
        "metric": "metrics",
        "datasets.name": "dataset.name",
        "datasets.digest": "dataset.digest",
    },
)
MODELS = Subject(
    name="model",
    attributes={
        "name": Kind.TEXT,
        "display_name": Kind.TEXT,
        "description": Kind.TEXT,
        "owner": Kind.TEXT,
        "created_at": Kind.INSTANT,
        "updated_at": Kind.INSTANT,
        "alias": Kind.TEXT,
    },
    groups={"tags": Kind.TEXT},
    sortable=frozenset({"name", "display_name", "created_at", "updated_at"}),
    synonyms=_SYNONYMS,
)


def kind_of(field: Field, subject: Subject) -> Kind:
    """What the field holds; the field is one of the subject's."""
    return subject.groups[field.name] if field.key else subject.attributes[field.name]
