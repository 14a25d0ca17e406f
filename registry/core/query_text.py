"""The language of searches: `tags.team = 'risk' AND metrics.accuracy > 0.9`, read and written.

MLflow's filters are a part of it. Whatever cannot be read raises `InvalidInput` naming the column
and what to write instead; `filter_text` and `order_text` write what reads back as the same value.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from registry.core import like
from registry.core.query import (
    OPERATORS,
    Field,
    Kind,
    Operator,
    Order,
    Subject,
    Term,
    Value,
    kind_of,
)
from registry.core.reader import Reader

TERM_LIMIT = 20
VALUE_LIMIT = 100
ORDER_LIMIT = 5
_KEY_LIMIT = 250

_NAME = re.compile(r"[A-Za-z_]+")
_DOT = re.compile(r"\.")
_BARE_KEY = re.compile(r"[\w./-]+")
_BACKTICKS = re.compile(r"`((?:[^`]|``)+)`")
_DOUBLE = re.compile(r'"((?:[^"]|"")*)"')
_SINGLE = re.compile(r"'((?:[^']|'')*)'")
_OPERATOR = re.compile(r"<=|>=|!=|=(?!=)|<(?!>)|>|(?:NOT\s+IN|IN|LIKE|ILIKE)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?![\w.])", re.IGNORECASE | re.ASCII)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_DIRECTION = re.compile(r"(?:ASC|DESC)\b", re.IGNORECASE)
_OPEN, _CLOSE, _COMMA = re.compile(r"\("), re.compile(r"\)"), re.compile(",")
_ATTRIBUTES = frozenset({"attribute", "attributes", "attr"})


def parse_filter(text: str, subject: Subject) -> tuple[Term, ...]:
    """The terms of a filter; an empty one has none. Raises InvalidInput."""
    reader = Reader(text, "filter")
    terms: list[Term] = []
    while not reader.is_done():
        if terms:
            _and(reader)
        if len(terms) == TERM_LIMIT:
            raise reader.wrong(f"at most {TERM_LIMIT} comparisons fit", fix="ask for less at once")
        terms.append(_term(reader, subject))
    return tuple(terms)


def parse_order(texts: Sequence[str], subject: Subject) -> tuple[Order, ...]:
    """What to sort by, from texts such as `metrics.accuracy DESC, name`. Raises InvalidInput."""
    found: list[Order] = []
    for text in texts:
        reader = Reader(text, "order")
        if reader.is_done():
            continue
        found.append(_order(reader, subject, found))
        while not reader.is_done():
            if not reader.take(_COMMA):
                raise reader.wrong("here a comma must follow", fix="write field ASC, field DESC")
            found.append(_order(reader, subject, found))
    return tuple(found)


def filter_text(terms: Sequence[Term]) -> str:
    """The terms as `parse_filter` reads them."""
    return " AND ".join(
        f"{_field_text(term.field)} {term.operator} {_values_text(term)}" for term in terms
    )


def order_text(order: Sequence[Order]) -> str:
    """The order as `parse_order` reads it."""
    return ", ".join(
        f"{_field_text(one.field)} {'DESC' if one.is_descending else 'ASC'}" for one in order
    )


def _and(reader: Reader) -> None:
    if not reader.take(_AND):
        raise reader.wrong(
            "here AND must follow",
            fix="join comparisons with AND; for one of several values, write IN ('a', 'b')",
        )


def _term(reader: Reader, subject: Subject) -> Term:
    field = _field(reader, subject)
    kind = kind_of(field, subject)
    operator = _operator(reader, field, kind)
    if operator in {Operator.IN, Operator.NOT_IN}:
        return Term(field, operator, _list(reader, kind))
    value = _value(reader, kind)
    if operator in {Operator.LIKE, Operator.ILIKE} and not like.is_complete(str(value)):
        raise reader.wrong(
            "the pattern ends with a lone backslash", fix=r"write \\ for a backslash"
        )
    return Term(field, operator, (value,))


def _field(reader: Reader, subject: Subject) -> Field:
    reader.is_done()
    began = reader.at
    name = reader.take(_NAME)
    if name is None:
        raise reader.wrong("here a field must stand", fix=_known(subject))
    word, key = name[0].lower(), ""
    if reader.take_adjacent(_DOT):
        key = _key(reader)
    if word in _ATTRIBUTES and key:
        word, key = key, ""
    word = subject.synonyms.get(word, word)
    if word in subject.groups and key:
        return Field(word, key)
    joined = f"{word}.{key}" if key else word
    joined = subject.synonyms.get(joined, joined)
    if joined in subject.attributes:
        return Field(joined)
    raise reader.wrong(f"a {subject.name} has no such field", fix=_known(subject), at=began)


def _known(subject: Subject) -> str:
    groups = (f"{name}.<key>" for name in subject.groups)
    return "use one of " + ", ".join((*subject.attributes, *groups))


def _key(reader: Reader) -> str:
    began = reader.at
    quoted = reader.take_adjacent(_BACKTICKS) or reader.take_adjacent(_DOUBLE)
    if quoted:
        mark = quoted[0][0]
        key = quoted[1].replace(mark * 2, mark)
    else:
        bare = reader.take_adjacent(_BARE_KEY)
        key = bare[0] if bare else ""
    if not 0 < len(key) <= _KEY_LIMIT:
        raise reader.wrong(
            f"a key has 1 to {_KEY_LIMIT} characters", fix="write tags.team or tags.`my key`",
            at=began,
        )  # fmt: skip
    return key


def _operator(reader: Reader, field: Field, kind: Kind) -> Operator:
    reader.is_done()
    began = reader.at
    found = reader.take(_OPERATOR)
    allowed = OPERATORS[kind]
    if found:
        operator = Operator(" ".join(found[0].upper().split()))
        if operator in allowed:
            return operator
    raise reader.wrong(
        f"{field.name} holds {kind.value}, and this does not compare it",
        fix=f"use one of {', '.join(allowed)}",
        at=began,
    )


def _list(reader: Reader, kind: Kind) -> tuple[Value, ...]:
    if not reader.take(_OPEN):
        raise reader.wrong("here a list must stand", fix="write IN ('a', 'b')")
    values = [_value(reader, kind)]
    while reader.take(_COMMA):
        if len(values) == VALUE_LIMIT:
            raise reader.wrong(f"at most {VALUE_LIMIT} values fit", fix="ask for less at once")
        values.append(_value(reader, kind))
    if not reader.take(_CLOSE):
        raise reader.wrong("the list does not end", fix="write IN ('a', 'b')")
    return tuple(values)


def _value(reader: Reader, kind: Kind) -> Value:
    reader.is_done()
    began = reader.at
    match kind:
        case Kind.TEXT:
            return _text(reader, "quote it, such as 'risk'")
        case Kind.INSTANT:
            return _instant(reader, _text(reader, "quote it, such as '2026-01-31'"), began)
        case Kind.INTEGER | Kind.NUMBER:
            return _number(reader, kind, began)


def _text(reader: Reader, fix: str) -> str:
    found = reader.take(_SINGLE) or reader.take(_DOUBLE)
    if found is None:
        raise reader.wrong("here a text must stand, in quotes that end", fix=fix)
    mark = found[0][0]
    return found[1].replace(mark * 2, mark)


def _number(reader: Reader, kind: Kind, began: int) -> int | float:
    found = reader.take(_NUMBER)
    if found is None:
        raise reader.wrong(f"here {kind.value} must stand", fix="write it without quotes")
    if kind is Kind.INTEGER:
        if not found[0].lstrip("+-").isdigit() or not abs(int(found[0])) < 2**63:
            raise reader.wrong("this is no integer of 63 bits", fix="write such as 7", at=began)
        return int(found[0])
    value = float(found[0])
    if not math.isfinite(value):
        raise reader.wrong("this number is too large", fix="stay below 1.8e308", at=began)
    return value


def _instant(reader: Reader, text: str, began: int) -> datetime:
    """A date is its first moment; without a zone it is in UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise reader.wrong(
            "this is no date", fix="write '2026-01-31' or '2026-01-31T12:00:00Z'", at=began
        ) from error


def _order(reader: Reader, subject: Subject, before: Sequence[Order]) -> Order:
    reader.is_done()
    began = reader.at
    field = _field(reader, subject)
    if field.name not in subject.sortable:
        known = ", ".join(sorted(subject.sortable))
        raise reader.wrong(f"{field.name} is no order", fix=f"use one of {known}", at=began)
    if any(one.field == field for one in before):
        raise reader.wrong("this field is there twice", fix="name each once", at=began)
    if len(before) == ORDER_LIMIT:
        raise reader.wrong(f"at most {ORDER_LIMIT} fields fit", fix="sort by less", at=began)
    direction = reader.take(_DIRECTION)
    return Order(field, is_descending=direction is not None and direction[0].upper() == "DESC")


def _field_text(field: Field) -> str:
    escaped = field.key.replace("`", "``")
    return f"{field.name}.`{escaped}`" if field.key else field.name


def _values_text(term: Term) -> str:
    listed = ", ".join(_value_text(value) for value in term.values)
    return f"({listed})" if term.operator in {Operator.IN, Operator.NOT_IN} else listed


def _value_text(value: Value) -> str:
    if isinstance(value, int | float):
        return repr(value)
    text = value if isinstance(value, str) else value.isoformat()
    return "'" + text.replace("'", "''") + "'"
